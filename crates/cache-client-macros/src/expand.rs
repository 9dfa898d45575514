//! What the function becomes.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Error, FnArg, ItemFn, Pat, Result, ReturnType, Type, parse_quote};

use crate::options::Options;

/// How many arguments a key may be made of.
const MAX_ARGUMENTS: usize = 12;

/// The function with a body that asks the cache first.
pub fn expand(options: Options, function: ItemFn) -> Result<TokenStream> {
    let Options { memo, name, version, ttl, skip } = options;
    let ItemFn { attrs, vis, sig, block, .. } = function;
    if sig.asyncness.is_none() {
        return Err(Error::new_spanned(sig.fn_token, "only an async function can ask the cache: write `async fn`"));
    }
    let arguments = counted(sig.inputs.iter(), &skip)?;
    if arguments.len() > MAX_ARGUMENTS {
        let message = format!("a key is made of up to {MAX_ARGUMENTS} arguments: skip some, or put them in a struct");
        return Err(Error::new_spanned(&sig.inputs, message));
    }
    let names = arguments.iter().map(ToString::to_string);
    let ident = &sig.ident;
    let name = match name {
        Some(name) => quote!(#name),
        None => quote!(::core::concat!(::core::module_path!(), "::", ::core::stringify!(#ident))),
    };
    let version = match version {
        Some(version) => quote!(::core::option::Option::Some(#version)),
        None => quote!(::core::option::Option::None),
    };
    let memo = match ttl {
        Some(ttl) => quote!((#memo).with_ttl(::core::time::Duration::from_secs(#ttl))),
        None => quote!(<::mgraph_cache_client::memo::Memo as ::core::clone::Clone>::clone(&#memo)),
    };
    let returned: Type = match &sig.output {
        ReturnType::Default => parse_quote!(()),
        ReturnType::Type(_, returned) => returned.as_ref().clone(),
    };
    // A block does not know what `?` converts to; the branch that is never taken says it.
    let run = quote! {
        if let ::core::option::Option::Some(__returned) = ::core::option::Option::None::<#returned> {
            return __returned;
        }
        let __returned: #returned = #block;
        #[allow(unreachable_code, reason = "the body may return")]
        __returned
    };
    let call = |run: TokenStream| quote!(__memo.call_with_key(__name, __key, move || async move { #run }).await);
    let called = if is_result(&returned) {
        call(run)
    } else {
        let called = call(quote! {
            let __value: #returned = async move { #run }.await;
            ::core::result::Result::<#returned, ::core::convert::Infallible>::Ok(__value)
        });
        quote! {
            match #called {
                ::core::result::Result::Ok(__value) => __value,
                ::core::result::Result::Err(__never) => match __never {},
            }
        }
    };
    Ok(quote! {
        #(#attrs)*
        #vis #sig {
            let __memo: ::mgraph_cache_client::memo::Memo = #memo;
            let __name: &str = #name;
            // The arguments are gone when the function runs.
            let __key = __memo.key(
                __name,
                #version,
                &::mgraph_cache_client::memo::Arguments::new([#(#names),*], (#(&#arguments,)*)),
            );
            #called
        }
    })
}

/// The arguments that make the key.
fn counted<'a>(inputs: impl Iterator<Item = &'a FnArg>, skip: &[Ident]) -> Result<Vec<Ident>> {
    let (mut arguments, mut skipped) = (Vec::new(), Vec::new());
    for input in inputs {
        let FnArg::Typed(typed) = input else { continue };
        match typed.pat.as_ref() {
            Pat::Ident(pattern) if skip.contains(&pattern.ident) => skipped.push(pattern.ident.clone()),
            Pat::Ident(pattern) => arguments.push(pattern.ident.clone()),
            other => return Err(Error::new_spanned(other, "an argument needs a name: take it apart in the body")),
        }
    }
    match skip.iter().find(|name| !skipped.contains(name)) {
        Some(unknown) => Err(Error::new(unknown.span(), format!("there is no argument `{unknown}`"))),
        None => Ok(arguments),
    }
}

/// Whether it is a `Result`, of whichever crate.
fn is_result(returned: &Type) -> bool {
    matches!(returned, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Result"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(options: &str, function: &str) -> String {
        let options = syn::parse_str(options);
        let expanded = options.and_then(|options| expand(options, syn::parse_str(function)?));
        expanded.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_is_wrong_is_said() {
        let many = (0..13).map(|number| format!("a{number}: u8, ")).collect::<String>();
        for (options, function, why) in [
            ("memo = M", "async fn f(a: u8) {}", ""),
            (
                "memo = self.memo, skip(b), version = 2, name = \"f\",",
                "async fn f(&self, a: u8, b: Db) -> u8 { a }",
                "",
            ),
            ("", "async fn f() {}", "name the `Memo`"),
            ("memo = M, lease = 1", "async fn f() {}", "expected `memo`, `name`, `version`, `ttl` or `skip`"),
            ("memo = M, ttl = 1", "async fn f() {}", "expected string literal"),
            ("memo = M, ttl = \"1w\"", "async fn f() {}", "a number with s, m, h or d"),
            ("memo = M, ttl = \"0s\"", "async fn f() {}", "a number with s, m, h or d"),
            ("memo = M, ttl = \"12h\"", "async fn f() {}", ""),
            ("memo = M, memo = N", "async fn f() {}", "`memo` stands here twice"),
            ("memo = M, version = 5000000000", "async fn f() {}", "number too large"),
            ("memo = M, skip(db)", "async fn f() {}", "there is no argument `db`"),
            ("memo = M", "fn f() {}", "write `async fn`"),
            ("memo = M", "async fn f((a, b): (u8, u8)) {}", "an argument needs a name"),
            ("memo = M", &format!("async fn f({many}) {{}}"), "up to 12 arguments"),
        ] {
            let was = refused(options, function);
            assert!(was.contains(why) && was.is_empty() == why.is_empty(), "{options} {function}: {was}");
        }
    }
}
