"""The handbook's Example 6 (key-based organisation), behind the client of its quick start."""
import os

from mgraph_ai_service_cache_client.client_contract.Service__Fast_API__Client import Service__Fast_API__Client
from mgraph_ai_service_cache_client.client_contract.Service__Fast_API__Client__Config import Service__Fast_API__Client__Config

# Configure client
config = Service__Fast_API__Client__Config(
    base_url=os.environ["MGRAPH_URL"],
    api_key=os.environ["MGRAPH_KEY"],
    api_key_header="X-API-Key"
)

# Create client
client = Service__Fast_API__Client(config=config)

from mgraph_ai_service_cache_client.schemas.cache.enums.Enum__Cache__Store__Strategy import Enum__Cache__Store__Strategy

# As printed from here on.

from datetime import date

def cache_daily_reports(client):
    """Organize reports using key-based storage with semantic paths"""
    
    today = date.today()
    
    # Sales report with date-based path
    sales_data = {
        "total_sales": 125000,
        "transactions": 450,
        "top_products": ["PROD-A", "PROD-B", "PROD-C"]
    }
    
    client.store().store__json__cache_key(
        namespace="analytics",
        strategy=Enum__Cache__Store__Strategy.KEY_BASED,
        cache_key=f"reports/{today.year}/{today.month:02d}/{today.day:02d}/sales",
        body=sales_data,
        file_id="daily-summary"
    )
    # Creates: data/key-based/reports/2025/01/16/sales/daily-summary.json
    
    # Inventory report in same date folder
    inventory_data = {
        "total_items": 15000,
        "low_stock": ["PROD-X", "PROD-Y"],
        "reorder_needed": 25
    }
    
    client.store().store__json__cache_key(
        namespace="analytics",
        strategy=Enum__Cache__Store__Strategy.KEY_BASED,
        cache_key=f"reports/{today.year}/{today.month:02d}/{today.day:02d}/inventory",
        body=inventory_data,
        file_id="daily-snapshot"
    )
    # Creates: data/key-based/reports/2025/01/16/inventory/daily-snapshot.json

def cache_service_configs(client, environment):
    """Organize service configurations by environment and service"""
    
    # Database config for auth service
    db_config = {
        "host": f"db.{environment}.example.com",
        "port": 5432,
        "pool_size": 20
    }
    
    client.store().store__json__cache_key(
        namespace=environment,
        strategy=Enum__Cache__Store__Strategy.KEY_BASED,
        cache_key="services/auth/database",
        body=db_config,
        file_id="v2.1"
    )
    # Creates: data/key-based/services/auth/database/v2.1.json
    
    # API gateway config
    api_config = {
        "timeout": 30,
        "rate_limit": 1000,
        "endpoints": ["api1.example.com", "api2.example.com"]
    }
    
    client.store().store__json__cache_key(
        namespace=environment,
        strategy=Enum__Cache__Store__Strategy.KEY_BASED,
        cache_key="services/api-gateway/config",
        body=api_config,
        file_id="v3.0"
    )
    # Creates: data/key-based/services/api-gateway/config/v3.0.json

# Usage
cache_daily_reports(client)
cache_service_configs(client, "production")

# Benefits of key-based organization:
# 1. Predictable paths - easy to find files
# 2. Natural hierarchy - logical folder structure  
# 3. Version control - file_id tracks versions
# 4. Team collaboration - everyone knows where things are
# 5. Easy migration - simple to reorganize or export

# What the example promises.

import hashlib
import json
import requests

database = {"host": "db.production.example.com", "port": 5432, "pool_size": 20}
cache_hash = hashlib.sha256(json.dumps(database, sort_keys=True).encode()).hexdigest()[:16]
answer = requests.get(f"{os.environ['MGRAPH_URL']}/production/retrieve/hash/{cache_hash}", headers={"X-API-Key": os.environ["MGRAPH_KEY"]})
assert answer.json()["data"] == database, answer.text
assert answer.json()["metadata"]["cache_key"] == "services/auth/database", answer.text
