//! The log: nothing is lost, nothing is half there, and it grows with what is done.

use std::fs;

use serde_json::json;

use super::{Place, REGION, kinds};
use crate::model::observed::Status;
use crate::model::value::Map;
use crate::simulated::Error;
use crate::simulated::record::{RecoveryPoint, Stored};
use crate::simulated::store::Store;
use crate::simulated::world::World;

fn bucket(name: &str) -> Stored {
    Stored {
        kind: "bucket".into(),
        region: REGION.into(),
        id: name.into(),
        name: name.into(),
        token: format!("token-{name}"),
        spec: json!({}),
        tags: [("Name".to_owned(), "バケツ".to_owned())].into(),
        attributes: Map::new(),
        identifiers: vec![format!("arn:{name}")],
        status: Status::Ready,
        version: 1,
        created_at: 7,
        gone_at: None,
        unseen: 0,
        data: None,
    }
}

fn store(place: &Place) -> Store {
    fs::create_dir_all(place.log().parent().unwrap()).unwrap();
    Store::new(place.log(), kinds())
}

fn put(store: &Store, name: &str) {
    store
        .change(|world| {
            world.put(bucket(name));
            Ok::<(), ()>(())
        })
        .unwrap()
        .unwrap();
}

/// All that there is, as text.
fn whole(store: &Store) -> String {
    store.read(text).unwrap()
}

fn text(world: &World) -> String {
    format!("{:?}\n{:?}\n{:?}", world.all().collect::<Vec<_>>(), world.conditions, world.points())
}

fn names(store: &Store) -> Vec<String> {
    store.read(|world| world.all().map(|o| o.id.clone()).collect()).unwrap()
}

/// A bit of everything that a record can hold.
fn history(store: &Store) {
    put(store, "a");
    put(store, "b");
    let point = |at| RecoveryPoint {
        id: "rp-1".into(),
        kind: "bucket".into(),
        object: "a".into(),
        address: None,
        region: REGION.into(),
        taken_at: at,
        fingerprint: "f".into(),
    };
    let change = |world: &mut World| {
        world.remove("bucket", REGION, "a");
        world.put(bucket("c"));
        world.conditions.clock = 9;
        world.conditions.lost_zones.insert("z".into());
        world.add_points([point(1), point(2)]);
        Ok::<(), ()>(())
    };
    store.change(change).unwrap().unwrap();
    store
        .change(|world| {
            world.add_points([point(3)]);
            Ok::<(), ()>(())
        })
        .unwrap()
        .unwrap();
}

#[test]
fn a_look_makes_no_file() {
    let place = Place::new();
    let store = Store::new(place.log(), kinds());
    assert_eq!(store.read(World::len).unwrap(), 0);
    assert!(!place.log().parent().unwrap().exists());
}

#[test]
fn a_later_handle_sees_everything() {
    let place = Place::new();
    let first = store(&place);
    history(&first);
    assert_eq!(whole(&store(&place)), whole(&first));
    assert_eq!(names(&first), ["b", "c"]);
}

#[test]
fn two_handles_see_each_others_changes() {
    let place = Place::new();
    let (one, two) = (store(&place), store(&place));
    for i in 0..5 {
        put(&one, &format!("one-{i}"));
        put(&two, &format!("two-{i}"));
        assert_eq!(names(&one).len(), 2 * (i + 1));
    }
    assert_eq!(whole(&one), whole(&two));
}

#[test]
fn handles_that_write_at_the_same_time_lose_nothing() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let place = &place;
            scope.spawn(move || {
                let store = store(place);
                (0..25).for_each(|i| put(&store, &format!("{thread}-{i}")));
            });
        }
    });
    assert_eq!(names(&store(&place)).len(), 100);
}

#[test]
fn a_refused_change_leaves_no_trace() {
    let place = Place::new();
    let store = store(&place);
    history(&store);
    let (before, bytes) = (whole(&store), fs::read(place.log()).unwrap());
    let refused = store.change(|world| {
        world.put(bucket("d"));
        world.put(Stored { version: 2, ..bucket("b") });
        world.remove("bucket", REGION, "c");
        world.remove("bucket", REGION, "d");
        world.conditions.counter += 1;
        world.conditions.lost_regions.insert(REGION.into());
        let points = world.points().to_vec();
        world.add_points(points);
        Err::<(), &str>("no")
    });
    assert_eq!(refused.unwrap(), Err("no"));
    assert_eq!(whole(&store), before);
    assert_eq!(fs::read(place.log()).unwrap(), bytes);
    assert!(store.read(|world| world.find("bucket", REGION, "arn:d").is_none()).unwrap());
}

#[test]
fn a_change_that_panics_leaves_no_trace() {
    let place = Place::new();
    let store = store(&place);
    history(&store);
    let before = whole(&store);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = store.change(|world| -> Result<(), ()> {
            world.conditions.clock = 1000;
            world.remove("bucket", REGION, "b");
            panic!("in the middle");
        });
    }));
    assert!(panicked.is_err());
    assert_eq!(whole(&store), before);
    put(&store, "e");
    assert_eq!(names(&store), ["b", "c", "e"]);
    assert_eq!(store.read(|world| world.conditions.clock).unwrap(), 9);
}

#[test]
fn a_change_that_changes_nothing_writes_nothing() {
    let place = Place::new();
    let store = store(&place);
    put(&store, "a");
    let bytes = fs::read(place.log()).unwrap();
    put(&store, "a");
    let back = |world: &mut World| {
        let object = world.remove("bucket", REGION, "a").unwrap();
        world.put(object);
        Ok::<(), ()>(())
    };
    store.change(back).unwrap().unwrap();
    assert_eq!(fs::read(place.log()).unwrap(), bytes);
}

#[test]
fn a_log_cut_off_at_any_byte_is_the_world_after_its_last_whole_change() {
    let place = Place::new();
    history(&store(&place));
    let bytes = fs::read(place.log()).unwrap();
    let header = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
    for cut in header..bytes.len() {
        let killed = Place::new();
        let store = store(&killed);
        fs::write(killed.log(), &bytes[..cut]).unwrap();
        let lines = bytes[header..cut].iter().filter(|b| **b == b'\n').count();
        let expected: &[&str] = [&[][..], &[], &["a"], &["a", "b"], &["b", "c"]][lines];
        assert_eq!(names(&store), expected, "cut at {cut}");
        put(&store, "z");
        let written = fs::read(killed.log()).unwrap();
        assert!(written.ends_with(b"\n") && names(&self::store(&killed)).contains(&"z".to_owned()), "cut at {cut}");
    }
}

#[test]
fn a_torn_last_line_is_cut_off_by_the_next_change() {
    let place = Place::new();
    let (one, two) = (store(&place), store(&place));
    put(&one, "a");
    let mut bytes = fs::read(place.log()).unwrap();
    let whole = bytes.len();
    // Longer than what is written next: nothing of it may stay.
    bytes.extend([b'x'; 9999]);
    fs::write(place.log(), &bytes).unwrap();
    assert_eq!(names(&two), ["a"]);
    put(&one, "b");
    let now = fs::read(place.log()).unwrap();
    assert_eq!(now[..whole], bytes[..whole]);
    assert!(!now.contains(&b'x') && now.ends_with(b"\n"));
    assert_eq!(names(&two), ["a", "b"]);
}

#[test]
fn a_log_with_much_more_than_is_left_is_compacted_and_nothing_is_lost() {
    let place = Place::new();
    let old = store(&place);
    history(&old);
    for i in 0..1000 {
        old.change(|world| {
            world.conditions.clock = 100 + i;
            Ok::<(), ()>(())
        })
        .unwrap()
        .unwrap();
    }
    let (before, long) = (whole(&old), fs::metadata(place.log()).unwrap().len());
    let new = store(&place);
    assert_eq!(whole(&new), before, "a look compacts nothing");
    assert_eq!(fs::metadata(place.log()).unwrap().len(), long);
    put(&new, "b");
    assert_eq!(whole(&new), before);
    assert!(fs::metadata(place.log()).unwrap().len() < long / 10);
    assert_eq!(whole(&old), before, "a handle from before reads the new log");
    put(&old, "later");
    assert!(names(&new).contains(&"later".to_owned()));
    assert_eq!(whole(&store(&place)), whole(&old));
    assert!(!place.log().with_extension("new").exists());
}

#[test]
fn a_log_that_holds_little_more_than_is_left_is_not_compacted() {
    let place = Place::new();
    let first = store(&place);
    for i in 0..200 {
        put(&first, &format!("n{i}"));
        first
            .change(|world| {
                world.conditions.clock += 1;
                Ok::<(), ()>(())
            })
            .unwrap()
            .unwrap();
    }
    let header = |bytes: &[u8]| bytes.split(|b| *b == b'\n').next().unwrap().to_vec();
    let before = header(&fs::read(place.log()).unwrap());
    put(&store(&place), "more");
    assert_eq!(header(&fs::read(place.log()).unwrap()), before);
}

#[test]
fn a_reset_is_seen_by_every_handle() {
    let place = Place::new();
    let (one, two) = (store(&place), store(&place));
    history(&one);
    assert_eq!(names(&two).len(), 2);
    one.reset().unwrap();
    assert!(names(&two).is_empty());
    assert_eq!(two.read(|world| world.conditions.clock).unwrap(), 0);
    put(&one, "new");
    assert_eq!(names(&two), ["new"]);
    one.reset().unwrap();
    put(&one, "again");
    assert_eq!(names(&two), ["again"]);
    Store::new(Place::new().log(), kinds()).reset().unwrap();
}

#[test]
fn a_damaged_line_is_named_and_a_reset_cures_it() {
    let place = Place::new();
    history(&store(&place));
    let text = fs::read_to_string(place.log()).unwrap();
    let broken: String =
        text.lines().enumerate().map(|(i, l)| if i == 2 { "nonsense\n".into() } else { format!("{l}\n") }).collect();
    fs::write(place.log(), &broken).unwrap();
    let store = store(&place);
    for _ in 0..2 {
        let error = store.read(World::len).unwrap_err();
        assert!(matches!(error, Error::Damaged { line: 3, .. }), "{error}");
        assert!(store.change(|_| Ok::<(), ()>(())).is_err());
    }
    assert_eq!(fs::read_to_string(place.log()).unwrap(), broken, "nothing was written over it");
    store.reset().unwrap();
    put(&store, "a");
    assert_eq!(names(&store), ["a"]);
}

#[test]
fn a_log_of_another_version_is_refused() {
    let place = Place::new();
    let store = store(&place);
    put(&store, "a");
    let text = fs::read_to_string(place.log()).unwrap().replacen(":1,", ":2,", 1);
    fs::write(place.log(), text).unwrap();
    let error = store.read(World::len).unwrap_err();
    assert!(matches!(error, Error::Version { version: 2, .. }), "{error}");
    fs::write(place.log(), "").unwrap();
    assert!(matches!(store.read(World::len).unwrap_err(), Error::Damaged { line: 1, .. }));
}

#[test]
fn ten_thousand_changes_read_and_write_ten_times_what_a_thousand_do() {
    let traffic = |count: usize| {
        let place = Place::new();
        let (store, other) = (store(&place), store(&place));
        for i in 0..count {
            put(&store, &format!("name-{i:05}"));
            // Somebody else looks now and then.
            if i % 100 == 0 {
                assert_eq!(other.read(World::len).unwrap(), i + 1);
            }
        }
        (store.traffic(), other.traffic())
    };
    let ((few, few_other), (many, many_other)) = (traffic(1000), traffic(10_000));
    assert_eq!(few.read, 0, "nobody reads what he wrote himself");
    assert_eq!(many.read, 0);
    assert!(many.written < few.written * 10 + 1000, "{few:?} {many:?}");
    assert!(many_other.read < few_other.read * 11, "{few_other:?} {many_other:?}");
}
