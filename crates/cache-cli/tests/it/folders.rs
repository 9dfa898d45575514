//! `sync`, `ls NS/KEY` and `rm --prefix`.

use crate::support::World;

#[tokio::test]
async fn a_folder_is_sent_once_and_then_only_what_differs() {
    let world = World::new().await;
    world.write("site/a.txt", "A");
    world.write("site/d/b.bin", [0, 255]);
    world.write("site/empty", "");
    let dry = world.run(&["sync", "site", "demo/www", "--dry-run"]).await;
    assert!(dry.stdout.contains("(dry run) would send demo:key@key_based/www/a.txt/file"), "{dry:?}");
    assert!(
        dry.stderr.contains("(dry run) would send 2 of 2 files, 3 B") && dry.stderr.contains("is empty"),
        "{dry:?}"
    );
    assert_eq!(world.ok(&["ls", "demo"]).await, "", "a dry run sends nothing");
    assert_eq!(world.json(&["sync", "site", "demo/www"]).await.len(), 2);
    assert_eq!(world.json(&["sync", "site", "demo/www"]).await.len(), 0);
    world.write("site/a.txt", "B");
    let again = world.json(&["sync", "site", "demo/www"]).await;
    assert_eq!(again[0]["ref"], "demo:key@key_based/www/a.txt/file");
    assert_eq!((again.len(), world.ok(&["cat", again[0]["ref"].as_str().unwrap()]).await.as_str()), (1, "B"));
}

#[tokio::test]
async fn a_name_that_no_key_can_have_is_refused_before_anything_is_sent() {
    let world = World::new().await;
    world.write("site/a.txt", "A");
    world.write("site/b:c", "B");
    assert!(world.fails(2, &["sync", "site", "demo/www"]).await.contains("cannot be a key; nothing was sent"));
    assert_eq!(world.ok(&["ls", "demo"]).await, "");
    assert!(world.fails(2, &["sync", "site", "demo"]).await.contains("names no prefix"));
}

#[tokio::test]
async fn a_prefix_is_deleted_only_after_a_yes() {
    let world = World::new().await;
    for name in ["www/a", "www/d/b", "wwwx/c"] {
        world.write(name, name);
    }
    world.ok(&["sync", "www", "demo/www"]).await;
    world.ok(&["sync", "wwwx", "demo/wwwx"]).await;
    assert_eq!(world.json(&["ls", "demo/www"]).await.len(), 2);
    assert_eq!(world.json(&["rm", "--prefix", "demo/www", "--dry-run"]).await.len(), 2);
    assert!(world.fails(2, &["rm", "--prefix", "demo/www"]).await.contains("Delete 2 entries? Not without --yes"));
    assert_eq!(world.json(&["ls", "demo"]).await.len(), 3, "nothing was deleted");
    assert_eq!(world.json(&["rm", "--prefix", "demo/www", "--yes"]).await.len(), 2);
    assert_eq!(world.json(&["ls", "demo"]).await.len(), 1);
    assert!(world.fails(2, &["rm", "--prefix", "demo", "--yes"]).await.contains("names no key"));
}
