"""The handbook's Example 3 (binary file caching), behind the client of its quick start, and the file that it reads."""
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

import json
import tempfile

os.chdir(tempfile.mkdtemp())
with open("large_dataset.json", "w") as f:
    json.dump([{"row": row, "text": "some text " * 10} for row in range(2000)], f)

# As printed from here on.

import gzip

# Read and compress file
with open("large_dataset.json", "rb") as f:
    original_data = f.read()

compressed_data = gzip.compress(original_data)

# Store compressed
result = client.store().store__binary(
    strategy=Enum__Cache__Store__Strategy.DIRECT,
    namespace="datasets",
    body=compressed_data
)

cache_id = result["cache_id"]

# Later: Retrieve and decompress
retrieved = client.retrieve().retrieve__cache_id__binary(
    cache_id=cache_id,
    namespace="datasets"
)

decompressed = gzip.decompress(retrieved)

# What the example promises.

assert retrieved == compressed_data
assert decompressed == original_data
