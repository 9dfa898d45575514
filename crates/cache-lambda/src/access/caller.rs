//! What handlers know of the caller.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use cache_access::look_up::KnownKey;
use cache_access::permission::{Permission, Permissions};
use cache_core::ids::{CacheKey, FileId, Namespace};
use http::Extensions;
use http::request::Parts;

use crate::extract::Params;
use crate::problem::Problem;
use crate::state::AppState;

/// Who calls.
#[derive(Debug, Clone, Default)]
pub enum Caller {
    /// Anyone, with every permission: the server requires no key.
    AuthDisabled,
    /// A caller with the key that the operator configured.
    Root,
    /// A caller with this key.
    Key(Arc<KnownKey>),
    /// A caller without a key, who reads a namespace that everybody may read.
    #[default]
    Anonymous,
}

impl Caller {
    /// How logs name the caller: the id of its key, `root`, or `-`.
    pub fn name(&self) -> &str {
        match self {
            Self::AuthDisabled | Self::Anonymous => "-",
            Self::Root => "root",
            Self::Key(known) => known.record.id.as_str(),
        }
    }

    /// The permissions in a namespace.
    pub fn permissions_on(&self, namespace: &Namespace) -> Permissions {
        match self {
            Self::AuthDisabled | Self::Root => Permissions::all(),
            Self::Key(known) => known.record.spec.grants.on(namespace),
            Self::Anonymous => [Permission::Read].into_iter().collect(),
        }
    }

    /// Whether the caller may do everything.
    pub fn is_unlimited(&self) -> bool {
        match self {
            Self::AuthDisabled | Self::Root => true,
            Self::Key(_) | Self::Anonymous => false,
        }
    }

    /// Checks that the caller has a permission in a namespace. To a caller without any, no namespace exists.
    ///
    /// # Errors
    ///
    /// 404 without any permission there, 403 without this one.
    pub fn check(&self, permission: Permission, namespace: &Namespace) -> Result<(), Problem> {
        check(self.permissions_on(namespace), permission, namespace)
    }
}

/// Checks that the permissions that somebody has in a namespace are enough: see [`Caller::check`].
///
/// # Errors
///
/// As [`Caller::check`].
pub fn check(permissions: Permissions, permission: Permission, namespace: &Namespace) -> Result<(), Problem> {
    if permissions.allow(permission) {
        Ok(())
    } else if permissions.is_empty() {
        Err(Problem::no_such_namespace(namespace.as_str()))
    } else {
        Err(Problem::permission_missing(permission, namespace.as_str()))
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// Whether the caller of a store may replace what others read: by a new version under a key, or by another content under a hash.
/// A caller that has only the permission to create may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MayReplace(pub bool);

impl MayReplace {
    /// What was found out about the caller of a request with these extensions.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or(Self(false))
    }

    /// Checks that the caller may store under a key and a file name, where versions replace each other.
    ///
    /// # Errors
    ///
    /// 403 when it may not.
    pub fn check_key(self, key: Option<&CacheKey>, file_id: Option<&FileId>, params: &Params) -> Result<(), Problem> {
        match (key, file_id) {
            (Some(_), Some(_)) => self.check(params),
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// Checks that the caller may replace something.
    ///
    /// # Errors
    ///
    /// 403 when it may not.
    pub fn check(self, params: &Params) -> Result<(), Problem> {
        if self.0 { Ok(()) } else { Err(Problem::permission_missing(Permission::Write, params.namespace()?.as_str())) }
    }
}

impl FromRequestParts<AppState> for MayReplace {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

/// Where the name of the caller is left for the access log, which is begun before the caller is known.
#[derive(Debug, Clone, Default)]
pub struct CallerName(Arc<OnceLock<String>>);

impl CallerName {
    /// Leaves the name.
    pub fn set(&self, name: &str) {
        // Only one middleware sets it.
        let _ = self.0.set(name.to_owned());
    }

    /// The name, `-` if there is none.
    pub fn get(&self) -> &str {
        self.0.get().map_or("-", String::as_str)
    }
}
