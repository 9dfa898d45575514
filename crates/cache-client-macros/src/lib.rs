//! The attribute `memoize`, which `mgraph_cache_client::memo` exports with the feature `macros`.
//!
//! `options` is what stands in its parentheses, `expand` what the function becomes.

mod expand;
mod options;

use proc_macro::TokenStream;

/// Memoises an async function: its body is run once for its arguments, and its value is kept in the cache.
///
/// It is [`Memo::call`](../mgraph_cache_client/memo/struct.Memo.html#method.call) with the arguments by their names, so a
/// failing cache runs the function. It returns a `Result` whose error is not stored, or a value.
///
/// | option | what |
/// |---|---|
/// | `memo = EXPRESSION` | the `Memo`, or what derefs to it: a static, a field of `self`, an argument. It is evaluated for each call |
/// | `name = "…"` | the name in the key; `module::path::function` without it, so that a function that moves is computed anew |
/// | `version = 2` | that of this function, in place of the one of the `Memo` |
/// | `ttl = "12h"` | how long a value may be used, in s, m, h or d, in place of that of the `Memo` |
/// | `skip(db, …)` | arguments that do not count. `self` never does |
///
/// All other arguments are serialized, up to twelve. The crate must be known as `mgraph_cache_client`.
#[proc_macro_attribute]
pub fn memoize(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let expanded = syn::parse(attribute).and_then(|options| expand::expand(options, syn::parse(item)?));
    expanded.unwrap_or_else(syn::Error::into_compile_error).into()
}
