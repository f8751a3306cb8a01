//! The texts of a corpus: those compiled into the program, or those of a directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use include_dir::{Dir, include_dir};

use crate::yaml::Source;

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../vectors");

/// The deepest folder that is looked into: a link in a circle ends there.
const DEEPEST: usize = 8;

/// The YAML texts of a corpus by their path in it, such as `codec/strings.yaml`.
#[derive(Clone, Debug)]
pub struct CorpusFiles {
    by_path: BTreeMap<String, Arc<Source>>,
    /// Where they come from, for a reader.
    pub origin: String,
}

impl CorpusFiles {
    /// The corpus that this program was built with.
    pub fn embedded() -> Self {
        fn collect(dir: &Dir<'_>, by_path: &mut BTreeMap<String, Arc<Source>>) {
            for file in dir.files() {
                let path = file.path().to_string_lossy().replace('\\', "/");
                if let (true, Some(text)) = (path.ends_with(".yaml"), file.contents_utf8()) {
                    by_path.insert(path.clone(), Source::new(format!("vectors/{path}"), text));
                }
            }
            for inner in dir.dirs() {
                collect(inner, by_path);
            }
        }
        let mut by_path = BTreeMap::new();
        collect(&EMBEDDED, &mut by_path);
        Self { by_path, origin: "the vectors built into this program".to_owned() }
    }

    /// The corpus of a directory.
    ///
    /// # Errors
    ///
    /// A sentence for people: the directory or a file in it cannot be read, is not UTF-8, or holds no
    /// `clauses.yaml`.
    pub fn directory(root: &Path) -> Result<Self, String> {
        let mut by_path = BTreeMap::new();
        let mut pending = vec![(root.to_path_buf(), 0)];
        while let Some((folder, depth)) = pending.pop() {
            let unreadable = |error: std::io::Error| {
                format!("the vectors directory {} cannot be read: {error}", folder.display())
            };
            for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
                let path = entry.map_err(unreadable)?.path();
                if path.is_dir() && depth < DEEPEST {
                    pending.push((path, depth + 1));
                } else if path.extension().is_some_and(|extension| extension == "yaml") {
                    let (name, source) = read(root, path)?;
                    by_path.insert(name, source);
                }
            }
        }
        if !by_path.contains_key("clauses.yaml") {
            return Err(format!(
                "{}: there is no clauses.yaml, so this is no vectors directory",
                root.display()
            ));
        }
        Ok(Self { by_path, origin: root.display().to_string() })
    }

    /// Files from texts, for tests: pairs of path and text.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let by_path =
            texts.into_iter().map(|(path, text)| (path.to_owned(), Source::new(path, text))).collect();
        Self { by_path, origin: "texts".to_owned() }
    }

    /// The same files with one replaced or added.
    #[must_use]
    pub fn with(mut self, path: &str, text: &str) -> Self {
        self.by_path.insert(path.to_owned(), Source::new(path, text));
        self
    }

    /// The file of a path.
    pub fn get(&self, path: &str) -> Option<&Arc<Source>> {
        self.by_path.get(path)
    }

    /// The files below a folder given with its slash, in order.
    pub fn under(&self, folder: &str) -> impl Iterator<Item = &Arc<Source>> {
        self.by_path.iter().filter(move |(path, _)| path.starts_with(folder)).map(|(_, source)| source)
    }

    /// The files that hold cases, with their paths, in order.
    pub fn vectors(&self) -> impl Iterator<Item = (&str, &Arc<Source>)> {
        self.by_path
            .iter()
            .filter(|(path, _)| path.as_str() != "clauses.yaml" && !path.starts_with("formats/"))
            .map(|(path, source)| (path.as_str(), source))
    }

    /// A checksum (CRC-32, hexadecimal) of all paths and texts, by which two runs tell whether they used
    /// the same vectors.
    pub fn digest(&self) -> String {
        let mut crc = crc32fast::Hasher::new();
        for (path, source) in &self.by_path {
            for part in [path, &source.text] {
                crc.update(part.as_bytes());
                crc.update(&[0]);
            }
        }
        format!("{:08x}", crc.finalize())
    }
}

fn read(root: &Path, path: PathBuf) -> Result<(String, Arc<Source>), String> {
    let shown = path.display().to_string();
    let bytes =
        std::fs::read(&path).map_err(|error| format!("the vector file {shown} cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        format!("{shown} is not UTF-8 text from byte {} on", error.utf8_error().valid_up_to())
    })?;
    let inside = path.strip_prefix(root).unwrap_or(&path);
    let parts: Vec<_> = inside.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    Ok((parts.join("/"), Source::new(shown, text)))
}
