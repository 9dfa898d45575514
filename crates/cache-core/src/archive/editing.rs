//! Adding, removing and renaming members.

use bytes::Bytes;

use super::{Archive, EditError, MemberName};

impl Archive {
    /// Sets a member's content, whether it exists or not, and returns the content that it replaced.
    ///
    /// # Errors
    ///
    /// [`EditError`]: the name is that of a folder, or the archive would be beyond its limits.
    pub fn add(&mut self, name: &MemberName, content: Bytes) -> Result<Option<Bytes>, EditError> {
        if name.is_folder() {
            return Err(EditError::IsFolder(name.to_string()));
        }
        Ok(self.put(name.as_str(), content)?)
    }

    /// Removes a member and returns its content. The members of a removed folder stay.
    ///
    /// # Errors
    ///
    /// [`EditError::NotFound`]: there is no such member.
    pub fn remove(&mut self, name: &MemberName) -> Result<Bytes, EditError> {
        self.take(name.as_str()).ok_or_else(|| EditError::NotFound(name.to_string()))
    }

    /// Gives a member another name, which must be free.
    ///
    /// # Errors
    ///
    /// [`EditError`]: one name is that of a folder, there is no member of the first name, or there is one of the second.
    pub fn rename(&mut self, from: &MemberName, to: &MemberName) -> Result<(), EditError> {
        if let Some(folder) = [from, to].into_iter().find(|name| name.is_folder()) {
            return Err(EditError::IsFolder(folder.to_string()));
        }
        if self.get(from).is_none() {
            return Err(EditError::NotFound(from.to_string()));
        }
        if self.get(to).is_some() {
            return Err(EditError::NameTaken(to.to_string()));
        }
        let content = self.remove(from)?;
        self.put(to.as_str(), content)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::{InvalidArchive, Limits};
    use super::*;

    fn name(text: &str) -> MemberName {
        text.parse().unwrap()
    }

    fn small() -> Limits {
        Limits { max_entries: 3, max_inflated_bytes: 10, ..Limits::default() }
    }

    #[test]
    fn an_edit_beyond_a_limit_changes_nothing() {
        let mut archive = Archive::empty(&small());
        archive.add(&name("a"), "12345678".into()).unwrap();
        let before = archive.clone();
        let err = archive.add(&name("b"), "345".into()).unwrap_err();
        assert_eq!(err, EditError::Limit(InvalidArchive::TooLarge { limit: 10 }));
        assert_eq!(archive, before);
        archive.add(&name("a"), "replaced".into()).unwrap();
        archive.add(&name("b"), "".into()).unwrap();
        archive.add(&name("c"), "".into()).unwrap();
        let err = archive.add(&name("d"), "".into()).unwrap_err();
        assert_eq!(err, EditError::Limit(InvalidArchive::TooManyMembers { limit: 3 }));
    }

    #[test]
    fn a_folder_is_removed_but_neither_filled_nor_renamed() {
        let mut archive = Archive::empty(&Limits::default());
        archive.put("d/", Bytes::new()).unwrap();
        let folder = archive.member_name("d/").unwrap();
        assert_eq!(archive.add(&folder, "x".into()), Err(EditError::IsFolder("d/".to_owned())));
        assert_eq!(archive.rename(&folder, &name("e")), Err(EditError::IsFolder("d/".to_owned())));
        assert_eq!(archive.remove(&folder), Ok(Bytes::new()));
    }

    #[derive(Debug, Clone)]
    enum Edit {
        Add(String, Vec<u8>),
        Remove(String),
        Rename(String, String),
    }

    fn edits() -> impl Strategy<Value = Vec<Edit>> {
        let edit = prop_oneof![
            ("[a-d]", any::<Vec<u8>>()).prop_map(|(name, content)| Edit::Add(name, content)),
            "[a-d]".prop_map(Edit::Remove),
            ("[a-d]", "[a-d]").prop_map(|(from, to)| Edit::Rename(from, to)),
        ];
        vec(edit, 0..20)
    }

    /// What an edit does to a plain map, and whether it succeeds.
    fn model(map: &mut BTreeMap<String, Vec<u8>>, edit: Edit) -> bool {
        match edit {
            Edit::Add(name, content) => {
                map.insert(name, content);
                true
            }
            Edit::Remove(name) => map.remove(&name).is_some(),
            Edit::Rename(from, to) if map.contains_key(&to) || !map.contains_key(&from) => false,
            Edit::Rename(from, to) => {
                let content = map.remove(&from).unwrap();
                map.insert(to, content);
                true
            }
        }
    }

    fn apply(archive: &mut Archive, edit: Edit) -> bool {
        match edit {
            Edit::Add(member, content) => archive.add(&name(&member), content.into()).is_ok(),
            Edit::Remove(member) => archive.remove(&name(&member)).is_ok(),
            Edit::Rename(from, to) => archive.rename(&name(&from), &name(&to)).is_ok(),
        }
    }

    proptest! {
        #[test]
        fn an_archive_behaves_like_a_map_and_remembers_no_history(edits in edits()) {
            let mut archive = Archive::empty(&Limits::default());
            let mut map = BTreeMap::new();
            for edit in edits {
                prop_assert_eq!(apply(&mut archive, edit.clone()), model(&mut map, edit));
            }
            let mut fresh = Archive::empty(&Limits::default());
            for (member, content) in map {
                fresh.add(&name(&member), content.into()).unwrap();
            }
            prop_assert_eq!(archive.to_bytes(), fresh.to_bytes());
            prop_assert_eq!(archive, fresh);
        }
    }
}
