//! Reading bytes of a file only if that needs no disk access.
//!
//! Handing a read to the blocking pool costs more than the read itself if the file is in the page cache. Linux can be asked
//! to fail instead of waiting for the disk (`RWF_NOWAIT`), so such a read may run on the threads of the runtime.

use std::fs::File;

/// The bytes of a file from this offset on, if all of them are in the page cache.
#[cfg(target_os = "linux")]
pub(crate) fn read_cached(file: &File, offset: u64, length: usize) -> Option<Vec<u8>> {
    use std::io::IoSliceMut;

    use rustix::io::{ReadWriteFlags, preadv2};

    let mut bytes = vec![0; length];
    let read = preadv2(file, &mut [IoSliceMut::new(&mut bytes)], offset, ReadWriteFlags::NOWAIT).ok()?;
    (read == length).then_some(bytes)
}

/// Other systems cannot be asked.
#[cfg(not(target_os = "linux"))]
pub(crate) fn read_cached(_: &File, _: u64, _: usize) -> Option<Vec<u8>> {
    None
}
