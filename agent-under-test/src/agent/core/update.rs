//! What an Update Agent message asks for, once it is known to be good (MTA-1, MTA-6, MTA-7, MTA-10).

use std::collections::HashSet;

use bytes::Bytes;
use thiserror::Error;

use super::file_name::{FileName, UnsuitableName};
use super::policy::Product;
use crate::protocol::{AgentType, Decode, Malformed, Reader, Ticks, UpdateFile};

/// The most files that an update may bring. It bounds the memory that a message of many tiny files takes.
pub const MAX_FILES: usize = 100_000;

/// The characters of a refused name that are kept: a message may bring one of megabytes.
const SHOWN: usize = 64;

/// Files to be put in place, all or none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Update {
    /// Whose files.
    pub product: Product,
    /// The files, each name once a folder.
    pub files: Vec<NewFile>,
}

/// A file of an update.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewFile {
    /// Which folder it belongs to.
    pub kind: FileKind,
    /// Its name there.
    pub name: FileName,
    /// The time of modification that it gets.
    pub modified: Ticks,
    /// Its bytes, in the memory of the message.
    pub contents: Bytes,
}

/// The two folders of a product (MTA-8).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FileKind {
    /// Programs and libraries.
    Assembly,
    /// Extensions of a product.
    Extension,
}

impl FileKind {
    /// The name of the folder.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Assembly => "assemblies",
            Self::Extension => "extensions",
        }
    }
}

/// Why an update is refused; nothing of it has any effect then (MTA-11).
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum RefusedUpdate {
    /// The message cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// There is no such product (MTA-10).
    #[error("agent_type: {0} is none of 0 to 3")]
    UnknownProduct(u8),
    /// The agent itself has no extensions (MTA-6).
    #[error("extensions: the agent itself has none")]
    ExtensionsOfMeta,
    /// More files than are kept in memory.
    #[error("{0} files are more than 100000")]
    TooManyFiles(usize),
    /// A name that could leave its folder, or mean another file (MTA-7).
    #[error("{folder}[{index}].name: `{}` {reason}", name.escape_debug())]
    Name {
        /// The array it is in.
        folder: &'static str,
        /// Its place there, from 0.
        index: usize,
        /// The name, or what it begins with.
        name: String,
        /// What is wrong with it.
        reason: UnsuitableName,
    },
    /// The same name twice in a folder.
    #[error("{folder}[{index}].name: `{name}` comes twice")]
    Twice {
        /// The array it is in.
        folder: &'static str,
        /// The place of the second, from 0.
        index: usize,
        /// The name.
        name: FileName,
    },
}

impl Update {
    /// Reads and checks the data of an Update Agent message. Bytes after it are ignored (CMP-2).
    ///
    /// # Errors
    ///
    /// [`RefusedUpdate`] for the first thing wrong with it.
    pub fn decode(data: &Bytes) -> Result<Self, RefusedUpdate> {
        let mut reader = Reader::new(data);
        let agent_type = reader.byte("agent_type")?;
        let product = Product::of(AgentType(agent_type)).ok_or(RefusedUpdate::UnknownProduct(agent_type))?;
        let mut update = Self { product, files: Vec::new() };
        update.read_files(&mut reader, data, FileKind::Assembly)?;
        update.read_files(&mut reader, data, FileKind::Extension)?;
        Ok(update)
    }

    fn read_files(
        &mut self,
        reader: &mut Reader<'_>,
        data: &Bytes,
        kind: FileKind,
    ) -> Result<(), RefusedUpdate> {
        let folder = kind.folder();
        let count = reader.count(folder, UpdateFile::SMALLEST)?;
        if self.files.len() + count > MAX_FILES {
            return Err(RefusedUpdate::TooManyFiles(self.files.len() + count));
        }
        if count > 0 && (self.product, kind) == (Product::Meta, FileKind::Extension) {
            return Err(RefusedUpdate::ExtensionsOfMeta);
        }
        let mut names = HashSet::new();
        for index in 0..count {
            let file = UpdateFile::decode_from(reader)
                .map_err(|malformed| malformed.within(&format!("{folder}[{index}]")))?;
            let unsuitable = |reason| {
                let name = file.name.chars().take(SHOWN).collect();
                RefusedUpdate::Name { folder, index, name, reason }
            };
            let name = FileName::new(&file.name).map_err(unsuitable)?;
            if !names.insert(name.clone()) {
                return Err(RefusedUpdate::Twice { folder, index, name });
            }
            let contents = data.slice_ref(&file.contents);
            self.files.push(NewFile { kind, name, modified: file.modified, contents });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex::decode;
    use rstest::rstest;

    fn update(hex: &str) -> Result<Update, String> {
        let bytes = Bytes::from(decode(hex.replace(char::is_whitespace, "")).unwrap());
        Update::decode(&bytes).map_err(|refused| refused.to_string())
    }

    #[test]
    fn a_good_update_names_each_file_with_its_folder() {
        let update = update(
            "02 01000000 05612e646c6c 00008c1daec9d508 02000000 00ff
             01000000 05612e646c6c 0000000000000000 00000000 ffff",
        );
        let file = |kind, ticks, contents: &'static [u8]| NewFile {
            kind,
            name: FileName::new("a.dll").unwrap(),
            modified: Ticks::new(ticks).unwrap(),
            contents: Bytes::from_static(contents),
        };
        let files = vec![
            file(FileKind::Assembly, 636_636_672_000_000_000, &[0x00, 0xff]),
            file(FileKind::Extension, 0, &[]),
        ];
        assert_eq!(update, Ok(Update { product: Product::BuildMaster, files }));
    }

    #[test]
    fn the_agent_itself_may_have_assemblies() {
        let update = update("00 01000000 0161 0000000000000000 00000000 00000000").unwrap();
        assert_eq!((update.product, update.files.len()), (Product::Meta, 1));
    }

    #[rstest]
    #[case::nothing("", "agent_type at offset 0: takes 1 bytes, only 0 are left")]
    #[case::unknown_product("04 00000000 00000000", "agent_type: 4 is none of 0 to 3")]
    #[case::last_product("ff 00000000 00000000", "agent_type: 255 is none of 0 to 3")]
    #[case::no_extensions("01 00000000", "extensions at offset 5: takes 4 bytes, only 0 are left")]
    #[case::extensions_of_meta(
        "00 00000000 01000000 0161 0000000000000000 00000000",
        "extensions: the agent itself has none"
    )]
    #[case::bad_name(
        "01 01000000 022e2e 0000000000000000 00000000 00000000",
        "assemblies[0].name: `..` ends with a dot or a blank"
    )]
    #[case::control_character(
        "01 00000000 01000000 020a61 0000000000000000 00000000",
        "extensions[0].name: `\\na` holds '\\n'"
    )]
    #[case::twice(
        "01 02000000 0161 0000000000000000 00000000 0161 0000000000000000 00000000 00000000",
        "assemblies[1].name: `a` comes twice"
    )]
    #[case::file_cut_short(
        "01 01000000 0161 0000000000000000 01000000",
        "assemblies[0].contents at offset 15: announces 1 bytes, only 0 are left"
    )]
    fn a_bad_update_is_refused_by_the_name_of_what_is_wrong(#[case] hex: &str, #[case] message: &str) {
        assert_eq!(update(hex), Err(message.to_owned()));
    }

    #[test]
    fn files_without_number_are_refused_before_they_are_looked_at() {
        let mut data = vec![1, 0xa1, 0x86, 0x01, 0x00];
        data.resize(data.len() + 100_001 * UpdateFile::SMALLEST, 0);
        assert_eq!(Update::decode(&data.into()), Err(RefusedUpdate::TooManyFiles(100_001)));
    }
}
