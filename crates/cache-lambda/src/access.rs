//! Who may call what: the key of a request, and its permission for the operation.
//!
//! 1. [`table`] says what each operation needs. An operation that is not in it is for the root key alone.
//! 2. [`credentials`] finds the key in a request.
//! 3. [`resource`] says what the request acts on, as its handler will read it.
//! 4. [`authorize`] looks it up, compares it with what the operation needs, and counts its use.
//! 5. [`received`] counts the bytes of its body, [`public_read`] knows which namespaces everybody may read.
//! 6. [`caller`] is what handlers know of it: those whose response depends on what the caller may see.

pub mod authorize;
pub mod caller;
pub mod credentials;
pub mod public_read;
pub mod received;
pub mod resource;
pub mod table;
