"""The handbook's quick start, as printed but for the URL and the key. Then what it promises."""
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

# Use the client
result = client.store().store__string(
    strategy="temporal_latest",
    namespace="default",
    body="Hello, World!"
)
print(f"Stored with cache_id: {result['cache_id']}")

retrieved = client.retrieve().retrieve__cache_id__string(cache_id=result["cache_id"], namespace="default")
assert retrieved == "Hello, World!", retrieved
