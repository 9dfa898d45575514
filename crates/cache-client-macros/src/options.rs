//! What stands in the parentheses of the attribute.

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Ident, LitInt, LitStr, Result, Token, parenthesized};

/// The options of the attribute.
pub struct Options {
    /// The `Memo`.
    pub memo: Expr,
    /// The name in the key.
    pub name: Option<LitStr>,
    /// The version in the key.
    pub version: Option<LitInt>,
    /// Arguments that do not count.
    pub skip: Vec<Ident>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let (mut memo, mut name, mut version, mut skip) = (None, None, None, None);
        while !input.is_empty() {
            let option: Ident = input.parse()?;
            let is_new = match option.to_string().as_str() {
                "memo" => memo.replace(value(input)?).is_none(),
                "name" => name.replace(value(input)?).is_none(),
                "version" => version.replace(number(input)?).is_none(),
                "skip" => {
                    let names;
                    parenthesized!(names in input);
                    let names = Punctuated::<Ident, Token![,]>::parse_terminated(&names)?;
                    skip.replace(names.into_iter().collect()).is_none()
                }
                _ => return Err(Error::new(option.span(), "expected `memo`, `name`, `version` or `skip`")),
            };
            if !is_new {
                return Err(Error::new(option.span(), format!("`{option}` stands here twice")));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let memo = memo.ok_or_else(|| input.error("name the `Memo`: #[memoize(memo = MEMO)]"))?;
        Ok(Self { memo, name, version, skip: skip.unwrap_or_default() })
    }
}

fn value<T: Parse>(input: ParseStream<'_>) -> Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

fn number(input: ParseStream<'_>) -> Result<LitInt> {
    let number: LitInt = value(input)?;
    number.base10_parse::<u32>().map(|_| number)
}
