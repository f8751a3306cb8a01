//! Updates on a real file system, cut off after each of their operations.

#![allow(clippy::disallowed_methods, reason = "the tests look at files")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use bytes::Bytes;
use rstest::rstest;
use tempfile::TempDir;

use super::*;
use crate::agent::core::{FileKind, FileName, Product};

/// 2018-06-04T00:00:00Z and one tick more.
const TICKS: i64 = 636_636_672_000_000_001;

fn file(kind: FileKind, name: &str, contents: &str) -> NewFile {
    NewFile {
        kind,
        name: FileName::new(name).unwrap(),
        modified: Ticks::new(TICKS).unwrap(),
        contents: Bytes::from(contents.to_owned()),
    }
}

fn otter(files: Vec<NewFile>) -> Update {
    Update { product: Product::Otter, files }
}

fn assembly(name: &str, contents: &str) -> NewFile {
    file(FileKind::Assembly, name, contents)
}

fn store(folder: &TempDir) -> UpdateStore {
    UpdateStore::new(folder.path().join("updates"), Disk)
}

/// Every file below a folder with its contents, folders with a slash at the end.
fn tree(folder: &Path) -> BTreeMap<String, String> {
    fn visit(folder: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
        for (name, kind) in Disk.entries(folder).unwrap() {
            let path = format!("{prefix}{}", name.display());
            match kind {
                EntryKind::Folder => {
                    found.insert(format!("{path}/"), String::new());
                    visit(&folder.join(&name), &format!("{path}/"), found);
                }
                EntryKind::File => {
                    let text = fs::read_to_string(folder.join(&name)).unwrap();
                    found.insert(path, text);
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    visit(folder, "", &mut found);
    found
}

fn contents(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|&(path, text)| (path.to_owned(), text.to_owned())).collect()
}

#[test]
fn files_lie_by_product_and_kind_with_their_time() {
    let folder = TempDir::new().unwrap();
    let update = otter(vec![assembly("a.dll", "one"), file(FileKind::Extension, "a.dll", "two")]);
    store(&folder).apply(&update).unwrap();
    let root = folder.path().join("updates");
    let expected = [
        ("otter/", ""),
        ("otter/assemblies/", ""),
        ("otter/assemblies/a.dll", "one"),
        ("otter/extensions/", ""),
        ("otter/extensions/a.dll", "two"),
    ];
    assert_eq!(tree(&root), contents(&expected));
    let metadata = fs::metadata(root.join("otter/assemblies/a.dll")).unwrap();
    // On a file system with resolution enough, as all are that tests run on: 100 ns are kept.
    assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_528_070_400, 100));
}

#[test]
fn files_not_named_stay_as_they_are_with_all_else_around_them() {
    let folder = TempDir::new().unwrap();
    let (store, root) = (store(&folder), folder.path().join("updates"));
    store.apply(&otter(vec![assembly("a.dll", "old"), assembly("b.dll", "kept")])).unwrap();
    fs::create_dir(root.join("otter/assemblies/notes")).unwrap();
    fs::write(root.join("otter/assemblies/notes/mine.txt"), "mine").unwrap();
    let before = fs::metadata(root.join("otter/assemblies/b.dll")).unwrap();
    let other = Update { product: Product::Meta, files: vec![assembly("a.dll", "meta")] };

    store.apply(&other).unwrap();
    store.apply(&otter(vec![assembly("a.dll", "new"), assembly("c.dll", "more")])).unwrap();

    let expected = [
        ("meta/", ""),
        ("meta/assemblies/", ""),
        ("meta/assemblies/a.dll", "meta"),
        ("otter/", ""),
        ("otter/assemblies/", ""),
        ("otter/assemblies/a.dll", "new"),
        ("otter/assemblies/b.dll", "kept"),
        ("otter/assemblies/c.dll", "more"),
        ("otter/assemblies/notes/", ""),
        ("otter/assemblies/notes/mine.txt", "mine"),
    ];
    assert_eq!(tree(&root), contents(&expected));
    let after = fs::metadata(root.join("otter/assemblies/b.dll")).unwrap();
    assert_eq!(
        (before.ino(), before.mtime(), before.mtime_nsec()),
        (after.ino(), after.mtime(), after.mtime_nsec())
    );
}

#[test]
fn a_file_that_somebody_has_open_keeps_its_old_contents() {
    let folder = TempDir::new().unwrap();
    let (store, root) = (store(&folder), folder.path().join("updates"));
    store.apply(&otter(vec![assembly("a.dll", "old")])).unwrap();
    let open = fs::File::open(root.join("otter/assemblies/a.dll")).unwrap();
    store.apply(&otter(vec![assembly("a.dll", "new")])).unwrap();
    assert_eq!(io::read_to_string(open).unwrap(), "old");
}

#[test]
fn an_update_without_files_makes_nothing() {
    let folder = TempDir::new().unwrap();
    store(&folder).apply(&otter(Vec::new())).unwrap();
    assert_eq!(tree(folder.path()), contents(&[]));
}

#[test]
fn a_file_in_the_place_of_a_folder_refuses_the_update() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("updates");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("otter"), "in the way").unwrap();
    let error = store(&folder).apply(&otter(vec![assembly("a.dll", "new")])).unwrap_err();
    assert_eq!(error.to_string(), format!("{} is no folder", root.join("otter").display()));
    assert_eq!(tree(&root), contents(&[("otter", "in the way")]));
}

#[test]
fn a_link_in_the_place_of_a_folder_leads_nothing_astray() {
    let folder = TempDir::new().unwrap();
    let (root, elsewhere) = (folder.path().join("updates"), folder.path().join("elsewhere"));
    fs::create_dir_all(root.join("otter")).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, root.join("otter/assemblies")).unwrap();
    assert!(store(&folder).apply(&otter(vec![assembly("a.dll", "new")])).is_err());
    assert_eq!(tree(&elsewhere), contents(&[]));
    assert!(!root.join(STAGING).exists());
}

#[test]
fn a_folder_in_the_place_of_a_file_refuses_the_update() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("updates");
    fs::create_dir_all(root.join("otter/assemblies/b.dll")).unwrap();
    let before = tree(&root);
    assert!(store(&folder).apply(&otter(vec![assembly("a.dll", "x"), assembly("b.dll", "x")])).is_err());
    assert_eq!(tree(&root), before);
}

#[rstest]
#[case::epoch(621_355_968_000_000_000, UNIX_EPOCH)]
#[case::one_tick_before(621_355_967_999_999_999, UNIX_EPOCH - Duration::from_nanos(100))]
#[case::second_before(621_355_967_990_000_000, UNIX_EPOCH - Duration::from_secs(1))]
#[case::year_2018(636_636_672_000_000_000, UNIX_EPOCH + Duration::from_secs(1_528_070_400))]
#[case::first(0, UNIX_EPOCH - Duration::from_secs(62_135_596_800))]
#[case::last(3_155_378_975_999_999_999, UNIX_EPOCH + Duration::new(253_402_300_799, 999_999_900))]
fn ticks_are_points_in_time(#[case] ticks: i64, #[case] expected: SystemTime) {
    assert_eq!(system_time(Ticks::new(ticks).unwrap()), Some(expected));
}

/// A file system with a fault.
struct Faulty {
    /// It dies in the middle of this change, counted from 1, and with it whoever uses it.
    changes_left: Cell<u32>,
    /// The earliest time that it keeps.
    earliest: SystemTime,
}

impl Faulty {
    fn dying(changes: u32) -> Self {
        Self { changes_left: Cell::new(changes), earliest: system_time(Ticks::new(0).unwrap()).unwrap() }
    }

    /// Does a change, or the half of it and no more.
    fn change<T>(&self, whole: impl FnOnce() -> io::Result<T>, half: impl FnOnce()) -> io::Result<T> {
        match self.changes_left.get() {
            0 => return Err(io::Error::other("dead")),
            1 => half(),
            _ => {
                self.changes_left.set(self.changes_left.get() - 1);
                return whole();
            }
        }
        self.changes_left.set(0);
        Err(io::Error::other("dies"))
    }
}

impl FileSystem for Faulty {
    type Lock = fs::File;

    fn lock(&self, folder: &Path) -> io::Result<fs::File> {
        Disk.lock(folder)
    }

    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        Disk.kind(path)
    }

    fn entries(&self, folder: &Path) -> io::Result<Vec<(PathBuf, EntryKind)>> {
        Disk.entries(folder)
    }

    fn create_folders(&self, folder: &Path) -> io::Result<()> {
        self.change(|| Disk.create_folders(folder), || ())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|| Disk.link(from, to), || ())
    }

    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|| Disk.copy(from, to), || ())
    }

    fn write(&self, path: &Path, contents: &[u8], modified: SystemTime) -> io::Result<SystemTime> {
        let half = || drop(Disk.write(path, &contents[..contents.len() / 2], modified));
        self.change(|| Disk.write(path, contents, modified.max(self.earliest)), half)
    }

    fn place(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|| Disk.place(from, to), || ())
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.change(|| Disk.exchange(one, other), || ())
    }

    fn remove_tree(&self, folder: &Path) -> io::Result<()> {
        let half = || {
            if let Some((name, _)) = Disk.entries(folder).unwrap().pop() {
                let _ = fs::remove_dir_all(folder.join(name).join("assemblies"));
            }
        };
        self.change(|| Disk.remove_tree(folder), half)
    }
}

#[test]
fn a_time_that_the_file_system_cannot_keep_refuses_the_update_whole() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("updates");
    let young = Faulty { changes_left: Cell::new(u32::MAX), earliest: UNIX_EPOCH };
    let store = UpdateStore::new(root.clone(), young);
    let mut old = assembly("old.dll", "x");
    // Three seconds before 1970: beyond any resolution.
    old.modified = Ticks::new(UNIX_EPOCH_TICKS - 30_000_000).unwrap();
    let error = store.apply(&otter(vec![assembly("a.dll", "x"), old])).unwrap_err();
    let expected = "old.dll: the file system cannot keep the time of modification 621355967970000000 (ticks)";
    assert!(error.to_string().ends_with(expected), "{error}");
    assert_eq!(tree(&root), contents(&[]));
}

/// The state before or the state after an update, and nothing of staging once the agent has started again.
#[rstest]
#[case::first_update(false)]
#[case::later_update(true)]
fn an_update_cut_off_anywhere_is_all_or_nothing(#[case] later: bool) {
    let update = otter(vec![
        assembly("a.dll", "new a"),
        assembly("c.dll", "new c"),
        file(FileKind::Extension, "x.dll", "new x"),
    ]);
    let prepared = || {
        let folder = TempDir::new().unwrap();
        if later {
            store(&folder)
                .apply(&otter(vec![assembly("a.dll", "old a"), assembly("b.dll", "old b")]))
                .unwrap();
        }
        folder
    };
    let of_files = |folder: &TempDir| {
        let mut tree = tree(folder.path());
        tree.retain(|path, _| !path.ends_with('/'));
        tree
    };
    let untouched = prepared();
    let old = of_files(&untouched);
    store(&untouched).apply(&update).unwrap();
    let new = of_files(&untouched);
    assert_ne!(old, new);

    let (mut seen_old, mut seen_new) = (false, false);
    // An update takes fewer than 20 changes, so the last ones are not cut off.
    for changes in 1..=20 {
        let folder = prepared();
        let dying = Faulty::dying(changes);
        let result = UpdateStore::new(folder.path().join("updates"), dying).apply(&update);
        let in_place: BTreeMap<_, _> = of_files(&folder)
            .into_iter()
            .filter(|(path, _)| !path.starts_with("updates/.staging/"))
            .collect();
        store(&folder).recover().unwrap();
        assert_eq!(of_files(&folder), in_place, "recovery changes nothing that is in place");
        assert!(!folder.path().join("updates/.staging").exists(), "after {changes} changes");
        assert!(in_place == old || in_place == new, "after {changes} changes: {in_place:?}");
        seen_old |= in_place == old;
        seen_new |= in_place == new;
        assert_eq!(result.is_ok(), in_place == new, "after {changes} changes");
    }
    assert!(seen_old && seen_new);
}

#[test]
fn an_update_follows_on_one_that_was_cut_off() {
    let folder = TempDir::new().unwrap();
    let dying = Faulty::dying(4);
    let update = otter(vec![assembly("a.dll", "whole")]);
    assert!(UpdateStore::new(folder.path().join("updates"), dying).apply(&update).is_err());
    store(&folder).apply(&update).unwrap();
    let expected = [("otter/", ""), ("otter/assemblies/", ""), ("otter/assemblies/a.dll", "whole")];
    assert_eq!(tree(&folder.path().join("updates")), contents(&expected));
}

#[test]
fn nothing_is_to_recover_where_no_update_ever_came() {
    let folder = TempDir::new().unwrap();
    store(&folder).recover().unwrap();
    assert_eq!(tree(folder.path()), contents(&[]));
}

#[test]
fn an_update_waits_for_that_of_another_agent() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("updates");
    fs::create_dir(&root).unwrap();
    let other = Disk.lock(&root).unwrap();
    let staged = root.join(STAGING).join("otter");
    fs::create_dir_all(&staged).unwrap();
    let waiting = store(&folder);
    let update = std::thread::spawn(move || waiting.apply(&otter(vec![assembly("a.dll", "new")])));
    // It has had time to do harm.
    std::thread::sleep(Duration::from_millis(100));
    assert!(staged.exists() && !root.join("otter").exists());
    drop(other);
    update.join().unwrap().unwrap();
    let expected = [("otter/", ""), ("otter/assemblies/", ""), ("otter/assemblies/a.dll", "new")];
    assert_eq!(tree(&root), contents(&expected));
}
