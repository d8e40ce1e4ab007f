//! The store against a real folder.

use yagura_model::Checkpoints;
use yagura_store::{Connector, ConnectorKind, DEFAULT_TENANT, DataFolder, NewConnector, Secret, Store, StoreError};

fn open(folder: &std::path::Path) -> Result<Store, StoreError> {
    Store::open(DataFolder::open(folder)?)
}

fn connector(name: &str, credential: Option<&str>) -> NewConnector {
    NewConnector {
        name: name.to_owned(),
        kind: ConnectorKind::Gcp { scope: "projects/p".to_owned() },
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
    store.checkpoints(DEFAULT_TENANT, &added.id).keep("call", "line").unwrap();
    store.remove_connector(DEFAULT_TENANT, "prod").unwrap();
    assert!(matches!(store.remove_connector(DEFAULT_TENANT, "prod"), Err(StoreError::NotFound { .. })));
    let mut left = 0;
    store.checkpoints(DEFAULT_TENANT, &added.id).each(&mut |_, _| left += 1).unwrap();
    assert_eq!(left, 0);
}

#[test]
fn checkpoints_come_back_in_order_until_the_run_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut store = open(folder.path()).unwrap();
        let mut run = store.checkpoints(DEFAULT_TENANT, "run");
        run.keep("b", "{\"page\":1}").unwrap();
        run.keep("a", "{\"page\":2}").unwrap();
    }
    let mut store = open(folder.path()).unwrap();
    let mut found = Vec::new();
    store.checkpoints(DEFAULT_TENANT, "run").each(&mut |key, line| found.push(format!("{key} {line}"))).unwrap();
    assert_eq!(found, ["b {\"page\":1}", "a {\"page\":2}"]);
    store.checkpoints(DEFAULT_TENANT, "run").finish().unwrap();
    let mut left = 0;
    store.checkpoints(DEFAULT_TENANT, "run").each(&mut |_, _| left += 1).unwrap();
    assert_eq!(left, 0);
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
    std::fs::remove_file(folder.path().join("master.key")).unwrap();
    let store = open(folder.path()).unwrap();
    assert!(store.credential(DEFAULT_TENANT, &added.id).err().unwrap().to_string().contains("master key"));
}
