//! The responses to requests about API keys.

use cache_access::limits::Limits;
use cache_access::permission::{Grants, Permission};
use cache_access::record::{self, KeyRecord};
use cache_api::keys::{CallerKind, Grant, KeyInfo, KeyLimits, KeyStatus, WhoAmI};
use cache_api::kinds;
use cache_core::time::UnixMillis;

use super::wire::name;
use crate::access::caller::Caller;

/// A key as it is shown at this time.
pub fn info(record: &KeyRecord, last_used_at: Option<UnixMillis>, now: UnixMillis) -> KeyInfo {
    let spec = &record.spec;
    KeyInfo {
        id: name(&record.id),
        name: spec.name.clone(),
        note: Some(spec.note.clone()).filter(|note| !note.is_empty()),
        status: status(record.status(now)),
        created_at: record.created_at.get(),
        created_by: record.created_by.clone(),
        not_before: spec.not_before.map(UnixMillis::get),
        expires_at: spec.expires_at.map(UnixMillis::get),
        disabled_at: record.disabled_at.map(UnixMillis::get),
        replaced_by: record.replaced_by.as_ref().map(name),
        grants: grants(&spec.grants),
        limits: limits(&spec.limits),
        last_used_at: last_used_at.map(UnixMillis::get),
    }
}

/// What a caller is and may do.
pub fn who_am_i(caller: &Caller, read_only: bool) -> WhoAmI {
    let everything = || {
        let permissions = Permission::ALL.map(permission).to_vec();
        vec![Grant { namespaces: vec!["*".to_owned()], permissions }]
    };
    let unlimited =
        |kind, grants| WhoAmI { kind, id: None, name: None, grants, expires_at: None, limits: None, read_only };
    match caller {
        Caller::AuthDisabled => unlimited(CallerKind::Open, everything()),
        Caller::Root => unlimited(CallerKind::Root, everything()),
        Caller::Anonymous => unlimited(CallerKind::Key, Vec::new()),
        Caller::Key(known) => {
            let KeyRecord { id, spec, .. } = &known.record;
            WhoAmI {
                kind: CallerKind::Key,
                id: Some(name(id)),
                name: Some(spec.name.clone()),
                grants: grants(&spec.grants),
                expires_at: spec.expires_at.map(UnixMillis::get),
                limits: limits(&spec.limits),
                read_only,
            }
        }
    }
}

fn status(status: record::KeyStatus) -> KeyStatus {
    match status {
        record::KeyStatus::Active => KeyStatus::Active,
        record::KeyStatus::Disabled => KeyStatus::Disabled,
        record::KeyStatus::Expired => KeyStatus::Expired,
        record::KeyStatus::NotYetValid => KeyStatus::NotYetValid,
    }
}

fn grants(grants: &Grants) -> Vec<Grant> {
    let shown = grants.0.iter().map(|grant| Grant {
        namespaces: grant.namespaces.iter().map(ToString::to_string).collect(),
        permissions: grant.permissions.iter().copied().map(permission).collect(),
    });
    shown.collect()
}

fn permission(permission: Permission) -> kinds::Permission {
    match permission {
        Permission::Read => kinds::Permission::Read,
        Permission::Create => kinds::Permission::Create,
        Permission::Write => kinds::Permission::Write,
        Permission::Delete => kinds::Permission::Delete,
        Permission::Manage => kinds::Permission::Manage,
    }
}

fn limits(limits: &Limits) -> Option<KeyLimits> {
    let Limits { requests_per_second, burst, bytes_per_day, report_only } = *limits;
    limits.is_any().then_some(KeyLimits { requests_per_second, burst, bytes_per_day, report_only })
}
