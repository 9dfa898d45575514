//! Writing one object in parts, where the backend can do that.

use bytes::Bytes;
use cache_core::storage::{ObjectWriter, PutMode, Storage};

use super::{Sandbox, is_precondition};

/// Larger than what a backend may gather before it writes.
const PART: usize = 700_000;

async fn written(storage: &dyn Storage) -> Option<Box<dyn ObjectWriter>> {
    let mut writer = storage.parts()?.begin().await.unwrap();
    for fill in [b'a', b'b', b'c'] {
        writer.append(Bytes::from(vec![fill; PART])).await.unwrap();
    }
    Some(writer)
}

/// Nothing is to be seen of it before, and everything afterwards.
pub async fn an_object_in_parts_is_created_as_a_whole(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let Some(writer) = written(storage).await else { return };
    assert_eq!(sandbox.list().await, [""; 0]);
    let version = writer.create(&sandbox.key("folder/a")).await.unwrap();
    let object = sandbox.get("folder/a").await.unwrap();
    let expected = [vec![b'a'; PART], vec![b'b'; PART], vec![b'c'; PART]].concat();
    assert_eq!((object.bytes == expected, object.version), (true, version));
}

/// It is created, and never overwrites.
pub async fn an_object_in_parts_refuses_an_existing_key(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.put("a", "first", PutMode::Create).await.unwrap();
    let Some(writer) = written(storage).await else { return };
    assert!(is_precondition(&writer.create(&sandbox.key("a")).await));
    assert_eq!(sandbox.text("a").await.unwrap(), "first");
}
