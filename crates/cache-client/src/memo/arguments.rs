//! Arguments with their names, as the macro `memoize` collects them.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Arguments with their names: a tuple of references, serialized as a map. The key of a call is made of it.
///
/// ```
/// # use mgraph_cache_client::memo::Arguments;
/// let arguments = Arguments::new(["name", "limit"], (&"Ada", &3));
/// assert_eq!(serde_json::to_string(&arguments).unwrap(), r#"{"name":"Ada","limit":3}"#);
/// ```
#[derive(Debug)]
pub struct Arguments<T, const N: usize> {
    names: [&'static str; N],
    values: T,
}

/// A tuple of this many references.
pub trait Values<const N: usize> {
    /// Writes each with its name.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    fn write<M: SerializeMap>(&self, names: [&'static str; N], map: &mut M) -> Result<(), M::Error>;
}

impl<T: Values<N>, const N: usize> Arguments<T, N> {
    /// Arguments with these names. There are up to twelve.
    pub fn new(names: [&'static str; N], values: T) -> Self {
        Self { names, values }
    }
}

impl<T: Values<N>, const N: usize> Serialize for Arguments<T, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(N))?;
        self.values.write(self.names, &mut map)?;
        map.end()
    }
}

macro_rules! tuples {
    ($($count:literal: $($value:ident)*;)*) => {
        $(impl<$($value: Serialize + ?Sized),*> Values<$count> for ($(&$value,)*) {
            #[allow(non_snake_case, unused_mut, unused_variables, reason = "the values are named as their types, and there may be none")]
            fn write<Map: SerializeMap>(&self, names: [&'static str; $count], map: &mut Map) -> Result<(), Map::Error> {
                let ($($value,)*) = *self;
                let mut names = names.into_iter();
                $(map.serialize_entry(names.next().unwrap_or_default(), $value)?;)*
                Ok(())
            }
        })*
    };
}

tuples! {
    0: ;
    1: A;
    2: A B;
    3: A B C;
    4: A B C D;
    5: A B C D E;
    6: A B C D E F;
    7: A B C D E F G;
    8: A B C D E F G H;
    9: A B C D E F G H I;
    10: A B C D E F G H I J;
    11: A B C D E F G H I J K;
    12: A B C D E F G H I J K L;
}
