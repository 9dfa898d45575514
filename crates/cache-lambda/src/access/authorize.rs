//! The middleware that authorizes requests.
//!
//! Requests with the root key cost nothing here. A key with permissions is looked up in memory; when it has to be read, a read of a
//! namespace is started beside that, and its response is discarded if the key is refused: a key that is not in memory costs one
//! more GET, and no more round trips. Nothing that is refused depends on what is stored, nor does the time that it takes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cache_access::look_up::KnownKey;
use cache_access::permission::{Grants, Permission};
use cache_access::record::KeyStatus;
use cache_access::usage::{Due, KeyUsage};
use cache_core::digest::Sha256Digest;
use cache_core::time::{Deadline, UnixMillis};
use futures::future::{Either, join, ready, select};
use tracing::Instrument;

use super::caller::{self, Caller, CallerName, MayReplace};
use super::credentials::{self, Credentials};
use super::received::ReceivedBytes;
use super::resource::{self, Resource};
use super::table::Access;
use crate::problem::Problem;
use crate::request_cache::RequestCache;
use crate::routes::routes;
use crate::state::{AppState, Service};

/// A path that is not served. Clients expect a 404 for it even without a key.
const CONFIG_STATUS: &str = "/config/status";
/// How long the use of a key may take to be written down.
const USAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs a request if its caller is authorized to make it.
pub async fn authorize(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let operation = routes().labels(request.method(), route);
    // A path that is not served is a 404 to everybody with a key, and a 401 to others.
    let access = operation.map_or_else(|| routes().access_of_path(route), |operation| operation.access);
    if state.config.read_only && access.changes(operation.is_none_or(|operation| operation.is_read)) {
        return Problem::read_only().into_response();
    }
    if matches!(access, Access::Public | Access::SignedUrl) || request.uri().path() == CONFIG_STATUS {
        return next.run(request).await;
    }
    match credentials::of(&state.config.auth, request.headers()) {
        Err(problem) => problem.into_response(),
        Ok(Credentials::AuthDisabled) => pass(Caller::AuthDisabled, request, next).await,
        Ok(Credentials::Root) => pass(Caller::Root, request, next).await,
        Ok(Credentials::None) => anonymous(&state, access, request, next).await,
        Ok(Credentials::Key(digest)) => {
            let pending = match PendingRequest::of(state, access, request).await {
                Ok(pending) => pending,
                Err(problem) => return problem.into_response(),
            };
            let state = &pending.authorization.state;
            let now = state.clock.now();
            match state.keyring().in_memory(&digest, now) {
                Some(found) => pending.decide(found, now, next).await,
                None => pending.look_up(digest, next).await,
            }
        }
    }
}

async fn pass(caller: Caller, mut request: Request, next: Next) -> Response {
    name(&caller, &request);
    request.extensions_mut().insert(MayReplace(caller.is_unlimited()));
    request.extensions_mut().insert(caller);
    next.run(request).await
}

fn name(caller: &Caller, request: &Request) {
    if let Some(name) = request.extensions().get::<CallerName>() {
        name.set(caller.name());
    }
}

/// A request without a key passes if it reads a namespace that everybody may read.
async fn anonymous(state: &AppState, access: Access, request: Request, next: Next) -> Response {
    let missing = || credentials::missing(&state.config.auth).into_response();
    if access != Access::Namespace(Permission::Read) {
        return missing();
    }
    let cache = RequestCache::of(request.extensions(), state);
    let (mut parts, body) = request.into_parts();
    let resource = resource::of(access, &mut parts, state).await;
    let request = Request::from_parts(parts, body);
    let Ok(Resource::Namespace(namespace)) = resource else { return missing() };
    match state.public_reads.is_public(&cache, &namespace, state.keyring(), state.clock.now()).await {
        Ok(true) => pass(Caller::Anonymous, request, next).await,
        Ok(false) => missing(),
        Err(error) => Problem::from(error).into_response(),
    }
}

/// A request with a key, whose permissions are not known yet.
struct PendingRequest {
    authorization: AuthorizationCheck,
    request: Request,
}

/// What the key of a request is checked for, also after the request was given away.
struct AuthorizationCheck {
    state: AppState,
    access: Access,
    resource: Resource,
    name: Option<CallerName>,
    /// `None` without a body.
    received: Option<ReceivedBytes>,
}

/// A key that was authorized.
struct AuthorizedKey {
    key: Arc<KnownKey>,
    /// What of its use is to be written down now.
    due: Option<Due>,
}

impl PendingRequest {
    async fn of(state: AppState, access: Access, request: Request) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let resource = resource::of(access, &mut parts, &state).await?;
        let name = parts.extensions.get().cloned();
        let received = (!body.is_end_stream()).then(|| ReceivedBytes::new(Arc::clone(&state.clock)));
        let body = match &received {
            Some(received) => received.count(body),
            None => body,
        };
        let authorization = AuthorizationCheck { state, access, resource, name, received };
        Ok(Self { authorization, request: Request::from_parts(parts, body) })
    }

    /// Looks the key up: beside the operation if that only reads, else before it.
    async fn look_up(self, digest: Sha256Digest, next: Next) -> Response {
        let cache = RequestCache::of(self.request.extensions(), &self.authorization.state);
        let keyring = cache.keyring();
        if self.authorization.access != Access::Namespace(Permission::Read) {
            return match keyring.look_up(&digest).await {
                Ok(found) => {
                    let now = self.authorization.state.clock.now();
                    self.decide(found, now, next).await
                }
                Err(error) => Problem::from(error).into_response(),
            };
        }
        let Self { authorization, request } = self;
        let look_up = Box::pin(keyring.look_up(&digest));
        let (found, operation) = match select(look_up, Box::pin(next.run(request))).await {
            Either::Left((found, operation)) => (found, Either::Left(operation)),
            Either::Right((response, look_up)) => (look_up.await, Either::Right(ready(response))),
        };
        let authorized = match found {
            Ok(found) => authorization.admit(found, authorization.state.clock.now(), || cache).await,
            Err(error) => Err(error.into()),
        };
        match authorized {
            Ok(AuthorizedKey { key, due }) => authorization.run(&key.usage, due, operation).await,
            // The rest of the operation is dropped, so the response takes as long whatever is stored.
            Err(problem) => problem.into_response(),
        }
    }

    async fn decide(self, found: Option<Arc<KnownKey>>, now: UnixMillis, next: Next) -> Response {
        let Self { authorization, mut request } = self;
        let extensions = request.extensions();
        let cache = || RequestCache::of(extensions, &authorization.state);
        match authorization.admit(found, now, cache).await {
            Err(problem) => problem.into_response(),
            Ok(AuthorizedKey { key, due }) => {
                // A read does not ask who calls: beside a look-up it runs before that is known.
                if authorization.access != Access::Namespace(Permission::Read) {
                    if let Resource::Namespace(namespace) = &authorization.resource {
                        let may_write = key.record.spec.grants.on(namespace).allow(Permission::Write);
                        request.extensions_mut().insert(MayReplace(may_write));
                    }
                    request.extensions_mut().insert(Caller::Key(Arc::clone(&key)));
                }
                authorization.run(&key.usage, due, next.run(request)).await
            }
        }
    }
}

impl AuthorizationCheck {
    /// Whether a key may make the request, and is within its limits. A key that exists is named in the log and the metrics also when
    /// it is refused.
    async fn admit(
        &self,
        found: Option<Arc<KnownKey>>,
        now: UnixMillis,
        cache: impl FnOnce() -> RequestCache,
    ) -> Result<AuthorizedKey, Problem> {
        if let (Some(name), Some(key)) = (&self.name, &found) {
            name.set(key.record.id.as_str());
        }
        let accepted = found.filter(|key| key.record.status(now) == KeyStatus::Active);
        let key = accepted.ok_or_else(|| credentials::refused(&self.state.config.auth))?;
        let KnownKey { record, usage, .. } = &*key;
        if let Err(problem) = check_permission(&record.spec.grants, self.access, &self.resource)
            && !self.needs_no_key(cache).await?
        {
            return Err(problem);
        }
        let limits = record.spec.limits;
        match usage.admit(&limits, now) {
            Ok(()) => {}
            Err(exceeded) if limits.report_only => tracing::warn!(key = record.id.as_str(), "{exceeded}"),
            Err(exceeded) => return Err(Problem::limit_exceeded(&exceeded)),
        }
        if let Some(received) = &self.received {
            received.belong_to(Arc::clone(usage), limits);
        }
        let due = key.take_due_usage(now);
        Ok(AuthorizedKey { key, due })
    }

    /// Whether the request is authorized without a key: a valid key never permits less than none.
    async fn needs_no_key(&self, cache: impl FnOnce() -> RequestCache) -> Result<bool, Problem> {
        let Resource::Namespace(namespace) = &self.resource else { return Ok(false) };
        if self.access != Access::Namespace(Permission::Read) {
            return Ok(false);
        }
        let Service { public_reads, clock, .. } = &*self.state;
        Ok(public_reads.is_public(&cache(), namespace, self.state.keyring(), clock.now()).await?)
    }

    /// Runs an operation whose key was authorized, and counts the bytes of the response.
    async fn run(&self, usage: &KeyUsage, due: Option<Due>, operation: impl Future<Output = Response>) -> Response {
        let state = &self.state;
        let response = match due {
            None => operation.await,
            // What goes on after the response may be frozen with the function.
            Some(due) if state.config.in_lambda => join(operation, write_down(state, due)).await.0,
            Some(due) => {
                let own = Arc::clone(state);
                let work = async move { write_down(&own, due).await };
                state.background_tasks.spawn(work.in_current_span());
                operation.await
            }
        };
        usage.add_bytes(response.body().size_hint().lower(), state.clock.now());
        response
    }
}

async fn write_down(state: &Service, due: Due) {
    let deadline = Deadline::at(state.clock.now().plus(USAGE_TIMEOUT));
    let keyring = state.keyring_with_deadline(deadline, &state.metrics.for_request());
    if let Err(error) = keyring.exchange_usage(&due).await {
        tracing::warn!(%error, "the use of a key was not written down; it is tried again when it is due next");
    }
}

fn check_permission(grants: &Grants, access: Access, resource: &Resource) -> Result<(), Problem> {
    match (access, resource) {
        (Access::Public | Access::SignedUrl | Access::AnyKey, _) => Ok(()),
        (Access::Namespace(permission) | Access::Folder(permission), Resource::Namespace(namespace)) => {
            caller::check(grants.on(namespace), permission, namespace)
        }
        // A handler of a store asks for more if it is to replace something.
        (Access::Store, Resource::Namespace(namespace)) => {
            caller::check(grants.on(namespace), Permission::Create, namespace)
        }
        (Access::Folder(permission), Resource::Service) if grants.allow_anywhere(permission) => Ok(()),
        (Access::Folder(permission), Resource::Service) => Err(Problem::permission_missing(permission, "*")),
        (Access::Namespace(_) | Access::Store | Access::Folder(_), Resource::Elsewhere(folder)) => {
            Err(Problem::no_such_namespace(folder))
        }
        (Access::AllNamespaces(permission), _) if grants.on_all().allow(permission) => Ok(()),
        (Access::AllNamespaces(permission), _) => Err(Problem::permission_missing(permission, "*")),
        (Access::Keys, _) if grants.allow_anywhere(Permission::Manage) => Ok(()),
        (Access::Keys, _) => Err(Problem::permission_missing(Permission::Manage, "*")),
        (Access::Namespace(_) | Access::Store, Resource::Service) | (Access::Root, _) => {
            Err(Problem::root_key_needed())
        }
    }
}

#[cfg(test)]
mod tests;
