//! Which child a path names.

use cache_core::cache::ChildName;
use cache_core::ids::{DataKey, FileId};
use cache_core::strategy::ContentKind;

use crate::extract::{Params, REST};
use crate::problem::Problem;

/// A child that a request names.
pub struct ChildPath {
    /// The folder, if there is one.
    pub data_key: Option<DataKey>,
    /// The name of the file.
    pub file_id: FileId,
}

impl ChildPath {
    /// The child that a path names.
    ///
    /// # Errors
    ///
    /// As [`names`], and 400 when there is no file id.
    pub fn of(params: &Params) -> Result<Self, Problem> {
        let (data_key, file_id) = names(params)?;
        let file_id = file_id.ok_or_else(Problem::blank_data_file_id)?;
        Ok(Self { data_key, file_id })
    }

    /// The child of this kind.
    pub fn of_kind(self, kind: ContentKind) -> ChildName {
        ChildName { data_key: self.data_key, file_id: self.file_id, kind }
    }
}

/// The data key and the file id at the end of the path. Blank ones count as not given.
///
/// # Errors
///
/// 404 when the path ends with `/`; else as [`Params::name`].
pub fn names(params: &Params) -> Result<(Option<DataKey>, Option<FileId>), Problem> {
    let name = params.path(REST);
    if name.ends_with('/') {
        return Err(Problem::route_not_found());
    }
    let (data_key, file_id) = match name.rsplit_once('/') {
        Some((data_key, file_id)) => (params.name_if_any("data_key", data_key)?, file_id),
        None => (None, name),
    };
    Ok((data_key, params.name_if_any("data_file_id", file_id)?))
}

/// The data key at the end of the path, if there is one.
///
/// # Errors
///
/// As [`Params::name`].
pub fn folder(params: &Params) -> Result<Option<DataKey>, Problem> {
    params.name_if_any("data_key", params.path("data_key"))
}

/// The type of a child as clients name it, including one type that never exists here.
#[derive(Clone, Copy)]
pub enum DataType {
    /// One that an entry can also have.
    Known(ContentKind),
    /// The type of serialized objects of the Python service, of which there are none here.
    TypeSafe,
}

impl DataType {
    const ALL: [Self; 4] = [
        Self::Known(ContentKind::Json),
        Self::Known(ContentKind::String),
        Self::Known(ContentKind::Binary),
        Self::TypeSafe,
    ];

    /// The type that a path names.
    ///
    /// # Errors
    ///
    /// 400 when there is no such type.
    pub fn of(params: &Params) -> Result<Self, Problem> {
        let raw = params.path("data_type");
        let found = Self::ALL.into_iter().find(|data_type| data_type.name() == raw);
        found.ok_or_else(|| Problem::not_one_of("path", "data_type", raw, &Self::ALL.map(Self::name)))
    }

    /// As it stands in the path.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Known(kind) => kind.name(),
            Self::TypeSafe => "type-safe",
        }
    }

    /// The kind of its children's content; `None` when there can be no such child.
    pub const fn kind(self) -> Option<ContentKind> {
        match self {
            Self::Known(kind) => Some(kind),
            Self::TypeSafe => None,
        }
    }
}
