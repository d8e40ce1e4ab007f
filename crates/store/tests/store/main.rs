//! The store against a real folder.

use yagura_model::{Checkpoints, Timestamp};
use yagura_store::{
    Access, Connector, ConnectorKind, DEFAULT_TENANT, DataFolder, NewConnector, Secret, Store, StoreError,
};

fn open(folder: &std::path::Path) -> Result<Store, StoreError> {
    Store::open(DataFolder::open(folder)?)
}

/// A moment, in seconds since 1970.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn connector(name: &str, credential: Option<&str>) -> NewConnector {
    NewConnector {
        name: name.to_owned(),
        kind: ConnectorKind::Gcp { scope: "projects/p".to_owned() },
        access: Access { endpoint: Some("https://127.0.0.1:1".to_owned()), ..Access::default() },
        credential: credential.map(Secret::new),
        at: "2026-06-01T00:00:00Z".parse().unwrap(),
    }
}

#[test]
fn a_connector_comes_back_after_a_restart_with_its_credential() {
    let folder = tempfile::tempdir().unwrap();
    let added = {
        let mut store = open(folder.path()).unwrap();
        store.add_connector(DEFAULT_TENANT, &connector("prod", Some("{\"key\":\"hunter2\"}"))).unwrap()
    };
    let store = open(folder.path()).unwrap();
    let found: Vec<Connector> = store.connectors(DEFAULT_TENANT).unwrap();
    assert_eq!(found, std::slice::from_ref(&added));
    let credential = store.credential(DEFAULT_TENANT, &added.id).unwrap().unwrap();
    assert_eq!(credential.reveal(), "{\"key\":\"hunter2\"}");
    assert!(store.connectors("other").unwrap().is_empty(), "another tenant sees nothing");
    assert!(store.credential("other", &added.id).is_err());
}

#[test]
fn a_credential_is_nowhere_in_the_folder_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path()).unwrap();
    store.add_connector(DEFAULT_TENANT, &connector("prod", Some("very-secret-text"))).unwrap();
    drop(store);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(16).any(|window| window == b"very-secret-text"));
    }
}

#[test]
fn names_are_unique_and_removal_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path()).unwrap();
    let added = store.add_connector(DEFAULT_TENANT, &connector("prod", None)).unwrap();
    assert!(matches!(store.add_connector(DEFAULT_TENANT, &connector("prod", None)), Err(StoreError::Exists { .. })));
    let mut collection = store.checkpoints(DEFAULT_TENANT, &added.id);
    collection.begin(at(1), at(0)).unwrap();
    collection.keep("call", "line", at(1), false).unwrap();
    collection.finish(at(2)).unwrap();
    assert_eq!(answers(&store, &added.id), ["line"]);
    store.remove_connector(DEFAULT_TENANT, "prod").unwrap();
    assert!(matches!(store.remove_connector(DEFAULT_TENANT, "prod"), Err(StoreError::NotFound { .. })));
    assert_eq!(store.last_collection(DEFAULT_TENANT, &added.id).unwrap(), None);
}

/// The answers of the last finished collection of a connector.
fn answers(store: &Store, connector: &str) -> Vec<String> {
    let Some(last) = store.last_collection(DEFAULT_TENANT, connector).unwrap() else { return Vec::new() };
    let mut lines = Vec::new();
    store.each_answer(DEFAULT_TENANT, last.number, &mut |line| lines.push(line.to_owned())).unwrap();
    lines
}

#[test]
fn a_collection_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = open(folder.path()).unwrap();
        let mut run = store.checkpoints(DEFAULT_TENANT, "c");
        assert_eq!(run.begin(at(10), at(0)), Ok(0));
        run.keep("b", "{\"page\":1}", at(10), false).unwrap();
        run.keep("a", "{\"page\":2}", at(20), false).unwrap();
        run.keep("f", "{\"error\":1}", at(20), true).unwrap();
        let mut another = store.checkpoints(DEFAULT_TENANT, "another");
        another.begin(at(20), at(0)).unwrap();
        another.keep("c", "{}", at(20), false).unwrap();
    }
    let store = open(folder.path()).unwrap();
    let mut run = store.checkpoints(DEFAULT_TENANT, "c");
    assert_eq!(run.begin(at(30), at(10)), Ok(2), "what failed is asked again");
    assert_eq!(run.kept("b"), Ok(Some("{\"page\":1}".to_owned())));
    assert_eq!((run.kept("c"), run.kept("f")), (Ok(None), Ok(None)));
    let mut run = store.checkpoints(DEFAULT_TENANT, "c");
    assert_eq!(run.begin(at(30), at(11)), Ok(1), "older ones are forgotten");
    assert_eq!((run.kept("b"), run.kept("a")), (Ok(None), Ok(Some("{\"page\":2}".to_owned()))));
    assert_eq!(store.checkpoints("other", "c").begin(at(30), at(0)), Ok(0), "another tenant's");
}

#[test]
fn the_last_finished_collection_counts_until_a_later_one_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let collect = |lines: &[&str], began: i64, finish: bool| {
        let mut run = store.checkpoints(DEFAULT_TENANT, "c");
        run.begin(at(began), Timestamp::MAX).unwrap();
        for line in lines {
            run.keep(line, line, at(began), line.starts_with("failed")).unwrap();
        }
        if finish {
            run.finish(at(began + 1)).unwrap();
        }
    };
    collect(&["one", "failed call"], 10, true);
    assert_eq!(answers(&store, "c"), ["one", "failed call"]);
    collect(&["two"], 20, false);
    let mut run = store.checkpoints(DEFAULT_TENANT, "c");
    assert_eq!((run.earlier("one"), run.earlier("failed call")), (Ok(Some("one".to_owned())), Ok(None)));
    assert_eq!(answers(&store, "c"), ["one", "failed call"], "the second one is not done");
    collect(&["three"], 30, true);
    assert_eq!(answers(&store, "c"), ["three"]);
    let last = store.last_collection(DEFAULT_TENANT, "c").unwrap().unwrap();
    assert_eq!((last.began_at, last.finished_at), (at(30), at(31)));
}

#[test]
fn a_folder_is_used_by_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let _store = open(folder.path()).unwrap();
    assert!(matches!(open(folder.path()), Err(StoreError::InUse { .. })));
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let database = rusqlite::Connection::open(folder.path().join("yagura.db")).unwrap();
    database.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(database);
    let refused = open(folder.path()).err().unwrap();
    assert!(refused.to_string().contains("has version 99"), "{refused}");
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_the_folder_and_its_key() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    drop(open(&folder).unwrap());
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("master.key"))), (0o700, 0o600));
}

#[test]
fn another_master_key_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let added = open(folder.path()).unwrap().add_connector(DEFAULT_TENANT, &connector("prod", Some("secret"))).unwrap();
    // 32 bytes, but others.
    std::fs::write(folder.path().join("master.key"), format!("{}=", "A".repeat(43))).unwrap();
    let store = open(folder.path()).unwrap();
    assert!(store.credential(DEFAULT_TENANT, &added.id).err().unwrap().to_string().contains("master key"));
}

#[test]
fn a_master_key_that_is_gone_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).unwrap().add_connector(DEFAULT_TENANT, &connector("prod", Some("secret"))).unwrap();
    let key = folder.path().join("master.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let refused = open(folder.path()).err().unwrap();
    assert!(refused.to_string().contains("YAGURA_MASTER_KEY") && !key.exists(), "{refused}");
    std::fs::write(&key, kept).unwrap();
    let store = open(folder.path()).unwrap();
    let id = store.connectors(DEFAULT_TENANT).unwrap().remove(0).id;
    assert_eq!(store.credential(DEFAULT_TENANT, &id).unwrap().unwrap().reveal(), "secret");
}

#[cfg(unix)]
#[test]
fn in_a_folder_that_others_can_read_the_files_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let _store = open(folder.path()).unwrap();
    for name in ["yagura.db", "yagura.db-wal", "master.key"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}
