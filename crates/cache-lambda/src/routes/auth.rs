//! Auth: who the caller is, and a form with which people give their browser the API key as a cookie.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cache_api::keys::WhoAmI;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::caller::Caller;
use crate::access::credentials::{self, Credentials};
use crate::body::{Limited, Payload};
use crate::config::auth::Auth;
use crate::cookies;
use crate::media_type::{HTML, HTML_UTF_8};
use crate::problem::Problem;
use crate::response::keys::who_am_i;
use crate::routing::Routes;
use crate::state::{AppState, Service};

/// The cookie's name where no key is configured.
const DEFAULT_COOKIE: &str = "auth-cookie";

/// The largest cookie that browsers keep, in bytes, with its name and attributes.
const MAX_COOKIE_BYTES: usize = 4096;
/// How long the body with the cookie's value may be, in bytes. Everybody may send it.
const MAX_COOKIE_BODY_BYTES: u64 = 8 << 10;

/// The page with the form. NAME, VALUE and NONCE are filled in.
const FORM: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>API key</title>
<body>
<h1>API key</h1>
<form id=\"form\">
<label>Value of the cookie <b>NAME</b> <input id=\"value\" size=\"60\" autocomplete=\"off\" value=\"VALUE\"></label>
<button>Set</button>
</form>
<p id=\"said\"></p>
<script nonce=\"NONCE\">
document.getElementById('form').addEventListener('submit', async event => {
  event.preventDefault();
  const body = JSON.stringify({cookie_value: document.getElementById('value').value});
  const headers = {'Content-Type': 'application/json'};
  const answer = await fetch('/auth/set-auth-cookie', {method: 'POST', headers, body});
  document.getElementById('said').textContent = (await answer.json()).message;
});
</script>
</html>
";

/// The routes of this group.
pub fn routes() -> Routes {
    Routes::below("/auth")
        .get("/whoami", whoami, |op| op.summary("What the caller is, and what it may do").response::<WhoAmI>())
        .get("/set-cookie-form", form, |op| {
            op.summary("A page that gives a browser the API key as a cookie").raw_response(HTML)
        })
        .post("/set-auth-cookie", set_cookie, |op| {
            op.summary("Sets the cookie with the API key").json_body::<NewCookie>().response::<CookieSet>()
        })
}

async fn whoami(State(state): State<AppState>, caller: Caller) -> Json<WhoAmI> {
    Json(who_am_i(&caller, state.config.read_only))
}

/// Shows the current value only to callers that have the key: the page itself is public.
async fn form(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let name = cookie_name(&state.config.auth);
    let may_see =
        matches!(credentials::of(&state.config.auth, &headers), Ok(Credentials::AuthDisabled | Credentials::Root));
    let value = cookies::find(&headers, name).filter(|_| may_see).unwrap_or_default();
    let nonce = Uuid::new_v4().to_string();
    let fill = |page: &str, mark: &str, text: &str| page.replacen(mark, text, 1);
    // The value is filled in last, so that placeholders in it are not replaced.
    let page = fill(&fill(FORM, "NAME", &escape(name)), "NONCE", &nonce);
    let page = fill(&page, "VALUE", &escape(&String::from_utf8_lossy(&value)));
    let policy = format!(
        "default-src 'none'; connect-src 'self'; script-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_TYPE, HTML_UTF_8.to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, page).into_response()
}

/// The cookie's new value.
#[derive(ToSchema)]
#[allow(dead_code, reason = "read field by field, so that an error can name the field")]
struct NewCookie {
    /// Empty without it.
    #[schema(value_type = String, required = false)]
    cookie_value: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct CookieSet {
    message: &'static str,
    cookie_name: String,
    cookie_value: String,
}

/// Sets the cookie to the value that was sent, without checking that it is the key.
async fn set_cookie(
    State(state): State<AppState>,
    headers: HeaderMap,
    Limited(payload): Limited<MAX_COOKIE_BODY_BYTES>,
) -> Result<Response, Problem> {
    if is_of_another_origin(&headers) {
        return Err(Problem::cookie_from_elsewhere());
    }
    let cookie_value = value_in(payload)?;
    let cookie_name = cookie_name(&state.config.auth).to_owned();
    let secure = if is_https(&state, &headers) { "; Secure" } else { "" };
    let cookie = format!("{cookie_name}={}; HttpOnly; Path=/; SameSite=strict{secure}", cookies::quote(&cookie_value));
    if cookie.len() > MAX_COOKIE_BYTES {
        let message =
            format!("makes a cookie of more than {MAX_COOKIE_BYTES} bytes, which browsers drop: send a shorter one");
        return Err(Problem::body_field("string_too_long", "cookie_value", &message, cookie_value.into()));
    }
    let cookie = HeaderValue::from_str(&cookie).map_err(|error| Problem::internal(error.to_string()))?;
    let message = "Cookie set successfully";
    Ok(([(header::SET_COOKIE, cookie)], Json(CookieSet { message, cookie_name, cookie_value })).into_response())
}

/// Whether a page of another origin than this server's makes the request.
fn is_of_another_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = headers.get(header::ORIGIN) else {
        return text(HeaderName::from_static("sec-fetch-site"))
            .is_some_and(|site| site != "same-origin" && site != "none");
    };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    origin.is_none_or(|(_, host)| text(header::HOST) != Some(host))
}

fn value_in(payload: Payload) -> Result<String, Problem> {
    match payload.fields("model_attributes_type")?.remove("cookie_value") {
        None => Ok(String::new()),
        Some(Value::String(value)) => Ok(value),
        Some(input) => Err(Problem::body_field("string_type", "cookie_value", "should be a string", input)),
    }
}

fn cookie_name(auth: &Auth) -> &str {
    match auth {
        Auth::ApiKey { cookie, .. } => cookie,
        Auth::Disabled | Auth::DenyAll { .. } => DEFAULT_COOKIE,
    }
}

/// Whether the request came by HTTPS: always in Lambda, else if a proxy says so.
fn is_https(state: &Service, headers: &HeaderMap) -> bool {
    state.config.in_lambda || headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https")
}

/// Escapes a text for HTML, also within attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;

    use crate::config::auth::Auth;
    use crate::test_support::{Answer, App, Call, config};

    async fn send(value: &str, call: Call) -> Answer {
        let mut config = config();
        config.auth = Auth::ApiKey {
            name: "x-api-key".parse().unwrap(),
            cookie: "X-Api-Key".to_owned(),
            value: value.to_owned(),
        };
        App::with(config).send(call).await
    }

    fn set(body: &'static str) -> Call {
        Call::post_json("/auth/set-auth-cookie", body)
    }

    #[tokio::test]
    async fn the_form_shows_a_value_only_with_the_key() {
        let form = |cookie: &str| Call::get("/auth/set-cookie-form").header("cookie", cookie);
        let shown = "value=\"secret\"";
        assert!(send("secret", form("X-Api-Key=secret")).await.text().contains(shown));
        assert!(!send("other", form("X-Api-Key=secret")).await.text().contains("secret"));
        let answer = send("secret", form("")).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(answer.text().contains("<b>X-Api-Key</b>"));
    }

    #[tokio::test]
    async fn the_form_escapes_what_it_shows() {
        let hostile = "\"><script>alert(1)</script>NAME";
        let quoted = crate::cookies::quote(hostile);
        let call = Call::get("/auth/set-cookie-form").header("cookie", &format!("X-Api-Key={quoted}"));
        let page = send(hostile, call).await.text();
        assert!(page.contains("value=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;NAME\""), "{page}");
        assert!(!page.contains("<script>"), "{page}");
    }

    #[tokio::test]
    async fn a_cookie_is_set_as_sent() {
        let answer = send("k", set("{\"cookie_value\":\"v\"}")).await;
        assert_eq!(answer.header("set-cookie"), Some("X-Api-Key=v; HttpOnly; Path=/; SameSite=strict"));
        let expected = json!({"message": "Cookie set successfully", "cookie_name": "X-Api-Key", "cookie_value": "v"});
        assert_eq!(answer.json(), expected);
        let secure = send("k", set("{}").header("x-forwarded-proto", "https")).await;
        assert_eq!(secure.header("set-cookie"), Some("X-Api-Key=; HttpOnly; Path=/; SameSite=strict; Secure"));
        let open = App::new().send(set("{}")).await;
        assert_eq!(open.json()["cookie_name"], "auth-cookie");
    }

    #[tokio::test]
    async fn a_key_with_special_characters_works_as_a_cookie() {
        let key = "a b;c=\"d\" é";
        let cookie = send(key, set("{\"cookie_value\":\"a b;c=\\\"d\\\" é\"}")).await;
        let cookie = cookie.header("set-cookie").unwrap().split("; HttpOnly").next().unwrap().to_owned();
        assert_eq!(send(key, Call::get("/info/health").header("cookie", &cookie)).await.status, 200, "{cookie}");
    }

    #[tokio::test]
    async fn what_is_no_value_is_refused() {
        let answer = send("k", set("{\"cookie_value\":1}")).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("\"type\":\"string_type\",\"loc\":[\"body\",\"cookie_value\"]"));
        assert_eq!(send("k", set("[]")).await.status, 400);
        assert_eq!(send("k", Call::new(Method::POST, "/auth/set-auth-cookie")).await.status, 400);
        assert_eq!(send("k", Call::get("/auth/set-auth-cookie")).await.status, 405);
    }

    #[tokio::test]
    async fn nobody_makes_the_server_read_a_large_cookie() {
        let large = format!("{{\"cookie_value\":\"{}\"}}", "x".repeat(10_000));
        let answer = send("k", Call::post_json("/auth/set-auth-cookie", large)).await;
        assert_eq!(answer.status, 413, "{}", answer.text());
        let quoted = format!("{{\"cookie_value\":\"{}\"}}", "é".repeat(1_000));
        let answer = send("k", Call::post_json("/auth/set-auth-cookie", quoted)).await;
        assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (400, None), "{}", answer.text());
        assert!(answer.text().contains("more than 4096 bytes"), "{}", answer.text());
    }

    #[tokio::test]
    async fn a_page_of_another_origin_does_not_set_the_cookie() {
        for origin in ["https://evil.example", "http://cache.example:81", "null"] {
            let call = set("{}").header("host", "cache.example").header("origin", origin);
            let answer = send("k", call).await;
            assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (403, None), "{origin}");
        }
        let own = set("{}").header("host", "cache.example").header("origin", "https://cache.example");
        assert_eq!(send("k", own).await.status, 200);
    }
}
