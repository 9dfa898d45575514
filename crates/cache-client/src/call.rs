//! One call of an operation: its path, query, headers and body.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::body::RequestBody;
use crate::error::{BoxError, Error};
use crate::operations::{Operation, Repeat};

/// The header by which the service knows a repeat.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// What stays as it is in a path and a query: the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same for a parameter of several segments.
const ESCAPED_PATH: &AsciiSet = &ESCAPED.remove(b'/');
/// Parameters that may have several segments.
const PATHS: [&str; 4] = ["{cache_key}", "{data_key}", "{file_path}", "{path}"];

/// One call of an operation. It can be sent more than once.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) operation: &'static Operation,
    /// Path and query, or an absolute URL that the service returned.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: RequestBody,
    /// How many bytes the service has to read or copy, beside those of the body.
    pub(crate) copied_bytes: u64,
}

impl Call {
    /// How many bytes are sent, read or copied for the call.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.body.len().saturating_add(self.copied_bytes)
    }

    /// A call with the parameters of the path, in their order.
    ///
    /// # Errors
    ///
    /// When a parameter has a segment that no URL can carry.
    pub(crate) fn new(operation: &'static Operation, parameters: &[&str]) -> Result<Self, Error> {
        let mut call = Self::at(operation, path(operation.path, parameters)?);
        if operation.repeat == Repeat::WithKey {
            call = call.idempotency_key(&uuid::Uuid::new_v4().to_string())?;
        }
        Ok(call)
    }

    /// A call at a URL that the service returned.
    pub(crate) fn at(operation: &'static Operation, target: String) -> Self {
        Self {
            operation,
            target,
            headers: HeaderMap::new(),
            body: RequestBody::Bytes(bytes::Bytes::new()),
            copied_bytes: 0,
        }
    }

    /// Adds a query parameter, if there is a value.
    pub(crate) fn query(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            let (sign, value) = (if self.target.contains('?') { '&' } else { '?' }, value.to_string());
            self.target.push(sign);
            self.target.push_str(name);
            self.target.push('=');
            self.target.extend(utf8_percent_encode(&value, ESCAPED));
        }
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn idempotency_key(self, key: &str) -> Result<Self, Error> {
        let visible = !key.is_empty() && key.len() <= 255 && key.bytes().all(|byte| byte.is_ascii_graphic());
        let value = HeaderValue::from_str(key).ok().filter(|_| visible);
        let value = value
            .ok_or_else(|| Error::argument("the idempotency key", "must have 1 to 255 visible ASCII characters"))?;
        Ok(self.header(IDEMPOTENCY_KEY, value))
    }

    pub(crate) fn body(mut self, content_type: &'static str, body: RequestBody) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = body;
        self
    }

    pub(crate) fn bytes(self, content_type: &'static str, body: impl Into<bytes::Bytes>) -> Self {
        self.body(content_type, RequestBody::Bytes(body.into()))
    }

    pub(crate) fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, Error> {
        Ok(self.bytes("application/json", to_json(value)?))
    }

    /// The operation as errors name it.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.operation.method, self.target.split('?').next().unwrap_or_default())
    }

    pub(crate) fn may_repeat(&self) -> bool {
        match self.operation.repeat {
            Repeat::Safe => true,
            Repeat::WithKey => self.headers.contains_key(IDEMPOTENCY_KEY),
            Repeat::Never => false,
        }
    }
}

/// A value as JSON.
///
/// # Errors
///
/// When it has no form in JSON, such as a map whose keys are no texts.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| {
        let failure = crate::error::Failure::new("", format!("the value has no form in JSON: {error}"));
        Error::InvalidRequest(failure.with_source(BoxError::from(error)))
    })
}

/// A JSON text without the white space outside of strings: the bytes that the service stores.
pub(crate) fn without_white_space(text: &RawValue) -> Vec<u8> {
    let (mut in_string, mut escaped) = (false, false);
    let keeps = |byte: &u8| {
        match (in_string, escaped, byte) {
            (true, true, _) => escaped = false,
            (true, false, b'\\') => escaped = true,
            (_, false, b'"') => in_string = !in_string,
            _ => {}
        }
        in_string || !b" \t\r\n".contains(byte)
    };
    text.get().bytes().filter(keeps).collect()
}

fn path(template: &str, parameters: &[&str]) -> Result<String, Error> {
    let mut parameters = parameters.iter();
    let mut path = String::with_capacity(template.len());
    for segment in template.split_inclusive('/') {
        let name = segment.trim_end_matches('/');
        if !name.starts_with('{') {
            path.push_str(segment);
            continue;
        }
        let value = parameters.next().copied().unwrap_or_default();
        if value.split('/').any(|part| part == "." || part == "..") {
            return Err(Error::argument(name.trim_matches(['{', '}']), format!("'{value}' has a segment '.' or '..'")));
        }
        let set = if PATHS.contains(&name) { ESCAPED_PATH } else { ESCAPED };
        path.extend(utf8_percent_encode(value, set));
        path.push_str(&segment[name.len()..]);
    }
    debug_assert!(parameters.next().is_none(), "{template} has fewer parameters");
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::{GET_RETRIEVE_KEY, GET_STATS, POST_STORE_JSON};

    #[test]
    fn parameters_are_escaped_where_they_have_to_be() {
        let call = Call::new(&GET_RETRIEVE_KEY, &["ns", "direct", "a/b c", "f"]).expect("valid");
        assert_eq!(call.query("as", Some("ä&")).target, "/ns/retrieve/key/direct/a/b%20c/f?as=%C3%A4%26");
        assert_eq!(Call::new(&GET_STATS, &["a/b"]).expect("valid").target, "/a%2Fb/stats");
    }

    #[test]
    fn a_segment_that_a_url_would_resolve_is_refused() {
        let error = Call::new(&GET_RETRIEVE_KEY, &["ns", "direct", "a/../b", "f"]).expect_err("refused");
        assert!(error.to_string().contains("cache_key 'a/../b' has a segment"), "{error}");
    }

    #[test]
    fn white_space_in_strings_stays() {
        let text = RawValue::from_string("{ \"a b\" : [ 1.50 ,\n\"\\\" \\\\\" ] }".to_owned()).expect("JSON");
        assert_eq!(without_white_space(&text), b"{\"a b\":[1.50,\"\\\" \\\\\"]}");
    }

    #[test]
    fn each_store_has_an_idempotency_key_of_its_own() {
        let key = || Call::new(&POST_STORE_JSON, &["ns", "direct"]).expect("valid").headers[IDEMPOTENCY_KEY].clone();
        assert_ne!(key(), key());
    }
}
