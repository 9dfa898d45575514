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
    /// How long a value may be used, in seconds.
    pub ttl: Option<u64>,
    /// Arguments that do not count.
    pub skip: Vec<Ident>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let (mut memo, mut name, mut version, mut ttl, mut skip) = (None, None, None, None, None);
        while !input.is_empty() {
            let option: Ident = input.parse()?;
            let is_new = match option.to_string().as_str() {
                "memo" => memo.replace(value(input)?).is_none(),
                "name" => name.replace(value(input)?).is_none(),
                "version" => version.replace(number(input)?).is_none(),
                "ttl" => ttl.replace(seconds(input)?).is_none(),
                "skip" => {
                    let names;
                    parenthesized!(names in input);
                    let names = Punctuated::<Ident, Token![,]>::parse_terminated(&names)?;
                    skip.replace(names.into_iter().collect()).is_none()
                }
                _ => return Err(Error::new(option.span(), "expected `memo`, `name`, `version`, `ttl` or `skip`")),
            };
            if !is_new {
                return Err(Error::new(option.span(), format!("`{option}` stands here twice")));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let memo = memo.ok_or_else(|| input.error("name the `Memo`: #[memoize(memo = MEMO)]"))?;
        Ok(Self { memo, name, version, ttl, skip: skip.unwrap_or_default() })
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

/// A number with a unit: s, m, h or d.
fn seconds(input: ParseStream<'_>) -> Result<u64> {
    let text: LitStr = value(input)?;
    let value = text.value();
    let unit = [('s', 1), ('m', 60), ('h', 3600), ('d', 86400)].into_iter().find(|(name, _)| value.ends_with(*name));
    let seconds = unit.and_then(|(name, unit)| value.strip_suffix(name)?.parse::<u64>().ok()?.checked_mul(unit));
    let wrong = || Error::new(text.span(), "a number with s, m, h or d is expected, such as \"12h\"");
    seconds.filter(|seconds| *seconds > 0).ok_or_else(wrong)
}
