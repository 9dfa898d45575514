//! What each source makes of a request: the events in `events/`, one file for each request of `events/requests.json`.
//!
//! The shapes are those that AWS documents for Lambda proxy integrations (payload formats 1.0 and 2.0) and function
//! URLs.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A request, and how it is answered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    pub name: String,
    method: String,
    path: String,
    #[serde(default)]
    query: String,
    #[serde(default)]
    key: ShownIn,
    content_type: Option<String>,
    /// Further headers.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    /// In place of `body`, bytes that are not text.
    base64: Option<String>,
    pub answer: Answer,
}

/// Where a request shows the API key.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum ShownIn {
    #[default]
    Header,
    Cookie,
    None,
}

/// The expected response.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub status: u64,
    pub content_type: Option<String>,
    /// Further headers: a part of the value of each.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A part of the body, which is a text.
    pub contains: Option<String>,
    /// The whole body, which is none.
    pub base64: Option<String>,
    /// A part of the body after inflating it: it is compressed with gzip.
    pub gzip_contains: Option<String>,
}

/// Who sends events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EventSource {
    RestApi,
    HttpApi,
    FunctionUrl,
}

const KEY: &str = "sample-key";
const TRACE: &str = "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e";
const CALLER: &str = "203.0.113.7";
const AGENT: &str = "curl/8.5.0";
const TIME: &str = "20/Nov/2026:12:06:51 +0000";
const TIME_MS: u64 = 1_795_176_411_520;

impl EventSource {
    /// Its folder in `events/`.
    pub fn folder(self) -> &'static str {
        match self {
            Self::RestApi => "rest-api",
            Self::HttpApi => "http-api",
            Self::FunctionUrl => "function-url",
        }
    }

    /// The event that this source makes of a request, as its file has it.
    pub fn event(self, sample: &Sample) -> String {
        let event = match self {
            Self::RestApi => sample.rest_api(),
            Self::HttpApi => sample.version_2("123456789012", "abcde12345", self.host(), "JKJaXmPLvHcESHA="),
            Self::FunctionUrl => {
                let id = "abcdefghijklmnopqrstuvwxyz0123456";
                sample.version_2("anonymous", id, self.host(), "c6af9ac6-7b61-11e6-9a41-93e8deadbeef")
            }
        };
        format!("{event:#}\n")
    }

    fn host(self) -> &'static str {
        match self {
            Self::RestApi | Self::HttpApi => "abcde12345.execute-api.eu-west-1.amazonaws.com",
            Self::FunctionUrl => "abcdefghijklmnopqrstuvwxyz0123456.lambda-url.eu-west-1.on.aws",
        }
    }
}

impl Sample {
    /// The headers, named as curl and API Gateway write them.
    fn headers(&self, host: &str) -> Vec<(&str, String)> {
        let mut headers = vec![("Accept", "*/*".to_owned())];
        headers.extend(self.content_type.clone().map(|value| ("Content-Type", value)));
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.clone())));
        headers.extend([("Host", host), ("User-Agent", AGENT), ("X-Amzn-Trace-Id", TRACE)].map(owned));
        if self.key == ShownIn::Header {
            headers.push(("x-api-key", KEY.to_owned()));
        }
        headers.extend(
            [("X-Forwarded-For", CALLER), ("X-Forwarded-Port", "443"), ("X-Forwarded-Proto", "https")].map(owned),
        );
        headers
    }

    fn cookies(&self) -> Option<[String; 2]> {
        (self.key == ShownIn::Cookie).then(|| ["theme=dark".to_owned(), format!("x-api-key={KEY}")])
    }

    fn query(&self) -> Option<BTreeMap<&str, &str>> {
        (!self.query.is_empty()).then(|| self.query.split('&').filter_map(|pair| pair.split_once('=')).collect())
    }

    /// The fields with which every event ends.
    fn body(&self) -> (Option<&str>, bool) {
        (self.base64.as_deref().or(self.body.as_deref()), self.base64.is_some())
    }

    /// The event of a REST API: payload format 1.0.
    fn rest_api(&self) -> Value {
        let host = EventSource::RestApi.host();
        let mut headers = self.headers(host);
        headers.extend(self.cookies().map(|cookies| ("Cookie", cookies.join("; "))));
        headers.sort_by_key(|(name, _)| name.to_lowercase());
        let (body, base64) = self.body();
        let proxy = self.path.trim_start_matches('/');
        let resource = if proxy.is_empty() { "/" } else { "/{proxy+}" };
        json!({
            "resource": resource,
            "path": self.path,
            "httpMethod": self.method,
            "headers": headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<Map<_, _>>(),
            "multiValueHeaders": headers.iter().map(|(name, value)| ((*name).to_owned(), json!([value]))).collect::<Map<_, _>>(),
            "queryStringParameters": self.query(),
            "multiValueQueryStringParameters":
                self.query().map(|query| query.into_iter().map(|(name, value)| (name, [value])).collect::<BTreeMap<_, _>>()),
            "pathParameters": (!proxy.is_empty()).then(|| json!({"proxy": proxy})),
            "stageVariables": null,
            "requestContext": {
                "resourceId": "6lmpv3",
                "resourcePath": resource,
                "httpMethod": self.method,
                "extendedRequestId": "JJbxmplHYosFVYQ=",
                "requestTime": TIME,
                "path": format!("/dev{}", self.path),
                "accountId": "123456789012",
                "protocol": "HTTP/1.1",
                "stage": "dev",
                "domainPrefix": "abcde12345",
                "requestTimeEpoch": TIME_MS,
                "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
                "identity": {
                    "cognitoIdentityPoolId": null,
                    "accountId": null,
                    "cognitoIdentityId": null,
                    "caller": null,
                    "sourceIp": CALLER,
                    "principalOrgId": null,
                    "accessKey": null,
                    "cognitoAuthenticationType": null,
                    "cognitoAuthenticationProvider": null,
                    "userArn": null,
                    "userAgent": AGENT,
                    "user": null
                },
                "domainName": host,
                "apiId": "abcde12345"
            },
            "body": body,
            "isBase64Encoded": base64
        })
    }

    /// The event of an HTTP API or a function URL: payload format 2.0, which omits absent fields.
    fn version_2(&self, account: &str, api: &str, host: &str, request_id: &str) -> Value {
        let headers = self.headers(host);
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": self.path,
            "rawQueryString": self.query,
        });
        if let Some(cookies) = self.cookies() {
            event["cookies"] = json!(cookies);
        }
        event["headers"] = headers.iter().map(|(name, value)| (name.to_lowercase(), json!(value))).collect();
        if let Some(query) = self.query() {
            event["queryStringParameters"] = json!(query);
        }
        event["requestContext"] = json!({
            "accountId": account,
            "apiId": api,
            "domainName": host,
            "domainPrefix": api,
            "http": {
                "method": self.method,
                "path": self.path,
                "protocol": "HTTP/1.1",
                "sourceIp": CALLER,
                "userAgent": AGENT
            },
            "requestId": request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": TIME,
            "timeEpoch": TIME_MS
        });
        let (body, base64) = self.body();
        if let Some(body) = body {
            event["body"] = json!(body);
        }
        event["isBase64Encoded"] = json!(base64);
        event
    }
}

fn owned((name, value): (&'static str, &str)) -> (&'static str, String) {
    (name, value.to_owned())
}
