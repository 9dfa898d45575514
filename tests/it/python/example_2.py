"""The handbook's Example 2 (multi-version storage), behind the client of its quick start."""
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

# Store initial version
v1_result = client.store().store__json(
    strategy=Enum__Cache__Store__Strategy.TEMPORAL_VERSIONED,
    namespace="configs",
    body={"version": 1, "setting": "value1"}
)

# Store updated version (same content hash creates new version)
v2_result = client.store().store__json(
    strategy=Enum__Cache__Store__Strategy.TEMPORAL_VERSIONED,
    namespace="configs",
    body={"version": 2, "setting": "value2"}
)

# Both versions are preserved and retrievable
v1_data = client.retrieve().retrieve__cache_id__json(
    cache_id=v1_result["cache_id"],
    namespace="configs"
)

v2_data = client.retrieve().retrieve__cache_id__json(
    cache_id=v2_result["cache_id"],
    namespace="configs"
)

# What the example promises.

assert v1_data == {"version": 1, "setting": "value1"}, v1_data
assert v2_data == {"version": 2, "setting": "value2"}, v2_data
