//! Judges the shape of the source: who imports whom, how long files are, what they are called.
//!
//! ```text
//! src/**/*.rs ─ tokens ─ paths ─┬ arrows: room → room, against ROOMS and EXCEPTIONS
//!                               │ └ cycles
//!                               └ words that a room must not use (tokio in ts, float in time …)
//! src, conformance, benches ─ lengths and names of files
//! ```
//!
//! A room is a module at the top of `src/`. It imports rooms of lower floors only; one crate has no
//! crate edges that would hold it to that, so this test does. Tests inside the rooms may import
//! what they like: everything under `#[cfg(test)]` is left out, and so are comments.
//!
//! It does not expand macros, and it does not follow `pub use` from one room through another.

#[path = "house/reader.rs"]
mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use reader::{FoundPath, Source, module_of};

/// One room: its floor, and what it never touches whatever the floors say.
struct Room {
    name: &'static str,
    floor: u8,
    never_rooms: &'static [&'static str],
    never_words: &'static [&'static str],
}

const fn room(
    name: &'static str,
    floor: u8,
    never_rooms: &'static [&'static str],
    never_words: &'static [&'static str],
) -> Room {
    Room { name, floor, never_rooms, never_words }
}

/// The plan of the house. Words are paths or parts of paths.
const ROOMS: &[Room] = &[
    room("error", 0, &[], &[]),
    room("time", 0, &[], &["f32", "f64", "SystemTime", "Instant"]),
    room("model", 1, &[], &["async", "tokio", "std::fs", "std::net", "std::io"]),
    room("config", 2, &[], &["async", "tokio", "reqwest", "std::process"]),
    room("codec", 2, &["ts", "mp4"], &["tokio"]),
    room("ts", 3, &["mp4", "hls"], &["tokio"]),
    room("mp4", 3, &["ts", "cenc"], &["tokio"]),
    room("cenc", 3, &["mp4", "ts", "keys"], &["tokio"]),
    room("hls", 3, &["dash", "source", "plan"], &["tokio"]),
    room("dash", 3, &["hls", "source", "plan"], &["tokio"]),
    room("egress", 3, &["model", "codec"], &[]),
    room("telemetry", TELEMETRY_FLOOR, &[], &[]),
    room("source", 4, &["ts", "plan", "cache"], &[]),
    room("keys", 4, &["cenc", "mp4", "playback"], &[]),
    room("cache", 4, &["model", "plan", "playback"], &[]),
    room("index", 5, &["playback", "cache", "package"], &[]),
    room("plan", 5, &["ts", "mp4"], &["async", "tokio", "std::fs", "std::net", "std::io"]),
    room("catalog", 6, &["playback", "package", "cache"], &[]),
    room("package", 6, &["playback", "catalog", "cache"], &[]),
    room(
        "drmcheck",
        7,
        &["plan", "package", "mp4", "hls", "dash", "cenc", "ts"],
        &["tokio", "async"],
    ),
    room("playback", 7, &["ts", "mp4", "cenc"], &[]),
    room("control", 7, &["ts", "mp4", "cenc", "package"], &[]),
    // Checks the origin's idea of keys from outside, so it may know none of the rooms that use them.
    room("keyserver", 7, &["playback", "control", "catalog", "package", "plan"], &[]),
    room("app", 8, &[], &[]),
    room("cli", 8, &[], &[]),
    room("main", 8, &[], &[]),
];

/// `telemetry` imports what lies below this floor and may be used on it and above.
const TELEMETRY_FLOOR: u8 = 4;
/// Rooms below log nothing; they return counts in their results.
const LOGGING_FLOOR: u8 = 4;
const LOGGING_WORDS: &[&str] = &["tracing", "log", "opentelemetry"];

/// An arrow that the plan does not have and that the code really needs.
struct Exception {
    from: &'static str,
    to: &'static str,
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[
    Exception {
        from: "main",
        to: "cli",
        reason: "main is the binary's door and does nothing but open it; cli knows nothing of main",
    },
    Exception {
        from: "cli",
        to: "app",
        reason: "the commands run what app builds; app knows nothing of commands",
    },
];
/// Exceptions for rooms that are not built yet may stand unused.
const ROOMS_TO_COME: &[&str] = &[];

const LONGEST_FILE: usize = 800;
const JUDGED_FOLDERS: &[&str] = &["src", "conformance", "benches"];
const JUDGED_EXTENSIONS: &[&str] = &["rs", "py", "js", "mjs", "sh", "html"];
/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &[
    "utils", "util", "helpers", "helper", "manager", "managers", "common", "misc", "shared",
    "stuff",
];

/// Files by their path from the top of the project, with `/` between folders.
type Tree = BTreeMap<String, String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    UnknownRoom,
    Arrow,
    Word,
    Cycle,
    IdleException,
    Length,
    Name,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    rule: Rule,
    place: String,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{:?}]", self.place, self.what, self.rule)
    }
}

/// Judges a tree by a list of exceptions.
fn judge(tree: &Tree, exceptions: &[Exception]) -> Vec<Finding> {
    let mut findings = Vec::new();
    judge_files(tree, &mut findings);
    let arrows = judge_imports(tree, exceptions, &mut findings);
    judge_cycles(&arrows, &mut findings);
    judge_exceptions(tree, &arrows, exceptions, &mut findings);
    // One `use` with several names behind the same room is one mistake.
    findings.dedup();
    findings
}

fn judge_files(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, text) in tree {
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            findings.push(Finding {
                rule: Rule::Length,
                place: path.clone(),
                what: format!("{lines} lines, {LONGEST_FILE} are allowed; split it by noun"),
            });
        }
        for part in path.split('/') {
            let stem = part.split('.').next().unwrap_or(part).to_ascii_lowercase();
            if EMPTY_NAMES.contains(&stem.as_str()) {
                findings.push(Finding {
                    rule: Rule::Name,
                    place: path.clone(),
                    what: format!("{part:?} says nothing; name it for what it holds"),
                });
            }
        }
    }
}

type Arrows = BTreeMap<&'static str, BTreeSet<&'static str>>;

fn judge_imports(tree: &Tree, exceptions: &[Exception], findings: &mut Vec<Finding>) -> Arrows {
    let sources: BTreeMap<&String, Source> = tree
        .iter()
        .filter(|(path, _)| path.starts_with("src/") && path.ends_with(".rs"))
        .map(|(path, text)| (path, Source::read(path, text)))
        .collect();
    let tests: Vec<String> = sources.values().flat_map(|source| source.tests.clone()).collect();
    let mut arrows = Arrows::new();
    for (path, source) in sources {
        let Some(home) = home_of(path) else { continue };
        let Some(from) = find_room(home) else {
            findings.push(Finding {
                rule: Rule::UnknownRoom,
                place: path.clone(),
                what: format!("the plan has no room {home:?}; give it a floor there first"),
            });
            continue;
        };
        let module = module_of(path).join("::");
        if tests.iter().any(|test| module == *test || module.starts_with(&format!("{test}::"))) {
            continue;
        }
        for found in &source.paths {
            let place = format!("{path}:{}", found.line);
            judge_words(from, found, &place, findings);
            let Some(target) = found.target() else { continue };
            let Some(to) = find_room(target) else {
                findings.push(Finding {
                    rule: Rule::UnknownRoom,
                    place,
                    what: format!("imports crate::{target}, which is no room"),
                });
                continue;
            };
            if to.name == from.name {
                continue;
            }
            arrows.entry(from.name).or_default().insert(to.name);
            let excepted = exceptions.iter().any(|e| e.from == from.name && e.to == to.name);
            if !excepted && let Some(what) = refuse_arrow(from, to) {
                findings.push(Finding { rule: Rule::Arrow, place, what });
            }
        }
    }
    arrows
}

fn refuse_arrow(from: &Room, to: &Room) -> Option<String> {
    if from.never_rooms.contains(&to.name) {
        return Some(format!("{} never touches {}", from.name, to.name));
    }
    let is_low_enough = match to.name {
        "telemetry" => from.floor >= TELEMETRY_FLOOR,
        _ => to.floor < from.floor,
    };
    let (high, low) = (to.floor, from.floor);
    let text = || format!("{} (floor {low}) imports {} (floor {high})", from.name, to.name);
    (!is_low_enough).then(text)
}

fn judge_words(room: &Room, path: &FoundPath, place: &str, findings: &mut Vec<Finding>) {
    let silent: &[&str] = if room.floor < LOGGING_FLOOR { LOGGING_WORDS } else { &[] };
    let is_of_crate = |name: &str| matches!(&*path.segments, [first, _, ..] if first == name);
    let crates = silent.iter().filter(|word| is_of_crate(word));
    let words = room.never_words.iter().filter(|word| {
        let word: Vec<&str> = word.split("::").collect();
        path.segments.windows(word.len()).any(|part| part == word.as_slice())
    });
    findings.extend(crates.chain(words).map(|word| Finding {
        rule: Rule::Word,
        place: place.to_owned(),
        what: format!("{} never touches {word}", room.name),
    }));
}

/// Finds rooms that import each other, over however many others.
fn judge_cycles(arrows: &Arrows, findings: &mut Vec<Finding>) {
    let mut told = BTreeSet::new();
    for &start in arrows.keys() {
        if let Some(mut cycle) = way_back(arrows, start) {
            let text = format!("{} → {start}", cycle.join(" → "));
            cycle.sort_unstable();
            if told.insert(cycle) {
                let place = "src".to_owned();
                findings.push(Finding { rule: Rule::Cycle, place, what: text });
            }
        }
    }
}

/// The shortest way from a room back to itself.
fn way_back(arrows: &Arrows, start: &'static str) -> Option<Vec<&'static str>> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = way.last().copied().unwrap_or(start);
            for &next in arrows.get(last).into_iter().flatten() {
                if next == start {
                    return Some(way);
                }
                if seen.insert(next) {
                    longer.push([&way[..], &[next]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

/// An exception that nothing needs any more, that gives no reason, or that the plan allows anyway.
fn judge_exceptions(
    tree: &Tree,
    arrows: &Arrows,
    exceptions: &[Exception],
    findings: &mut Vec<Finding>,
) {
    for exception in exceptions {
        let exists = |room: &str| tree.keys().any(|path| home_of(path) == Some(room));
        let to_come = |room: &str| ROOMS_TO_COME.contains(&room) && !exists(room);
        let is_used = arrows.get(exception.from).is_some_and(|to| to.contains(exception.to));
        let rooms = find_room(exception.from).zip(find_room(exception.to));
        let is_refused = rooms.is_some_and(|(from, to)| refuse_arrow(from, to).is_some());
        let is_idle = !is_used && !to_come(exception.from) && !to_come(exception.to);
        if is_idle || !is_refused || exception.reason.is_empty() {
            findings.push(Finding {
                rule: Rule::IdleException,
                place: format!("{} → {}", exception.from, exception.to),
                what: "the exception is not needed, or gives no reason; remove it".to_owned(),
            });
        }
    }
}

fn find_room(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.name == name)
}

/// The room that a file belongs to; `lib.rs` is the front door and belongs to none.
fn home_of(path: &str) -> Option<&str> {
    let first = path.strip_prefix("src/")?.split('/').next()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (name != "lib").then_some(name)
}

/// Reads the judged folders.
fn read_project(top: &Path) -> std::io::Result<Tree> {
    let mut tree = Tree::new();
    let mut folders: Vec<_> = JUDGED_FOLDERS.iter().map(|folder| top.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                // What the players' packages and Python leave behind is not ours.
                if !matches!(name.as_str(), ".venv" | "node_modules" | "__pycache__" | "out") {
                    folders.push(path);
                }
            } else if JUDGED_EXTENSIONS.contains(&extension.as_str()) {
                let short = path.strip_prefix(top).unwrap_or(&path);
                let parts: Vec<_> = short.iter().map(|part| part.to_string_lossy()).collect();
                tree.insert(parts.join("/"), std::fs::read_to_string(&path)?);
            }
        }
    }
    Ok(tree)
}

#[test]
fn the_house_stands_as_planned() {
    let tree = read_project(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    assert!(tree.contains_key("src/lib.rs") && tree.contains_key("conformance/house.rs"));
    let findings: Vec<String> = judge(&tree, EXCEPTIONS).iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

/// Proofs that each rule can fail, and that it does not fail on what is right. Trees are made up.
mod judge_tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<Finding> {
        let tree = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        judge(&tree.collect(), &[])
    }

    fn rules(files: &[(&str, &str)]) -> Vec<Rule> {
        findings(files).iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn lower_floors_may_be_imported_and_higher_ones_may_not() {
        assert_eq!(rules(&[("src/plan/mod.rs", "use crate::model::x::Y;")]), []);
        let found = findings(&[("src/model/mod.rs", "//! Doc.\nuse crate::plan::X;")]);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].to_string(),
            "src/model/mod.rs:2: model (floor 1) imports plan (floor 5) [Arrow]"
        );
    }

    #[test]
    fn rooms_of_one_floor_do_not_see_each_other() {
        assert_eq!(rules(&[("src/mp4/init.rs", "use crate::ts::packet;")]), [Rule::Arrow]);
        assert_eq!(rules(&[("src/error.rs", "use crate::time::Ticks;")]), [Rule::Arrow]);
    }

    #[test]
    fn the_never_touches_column_holds_for_lower_floors_too() {
        let found = findings(&[("src/control/mod.rs", "use crate::mp4::init;")]);
        assert_eq!(found[0].what, "control never touches mp4");
        assert_eq!(rules(&[("src/package/mod.rs", "use crate::cache::Cache;")]), [Rule::Arrow]);
    }

    #[test]
    fn telemetry_is_open_from_floor_4_up() {
        let telemetry = "use crate::telemetry::Metrics;";
        assert_eq!(rules(&[("src/cache/mod.rs", telemetry)]), []);
        assert_eq!(rules(&[("src/dash/mod.rs", telemetry)]), [Rule::Arrow]);
        assert_eq!(rules(&[("src/telemetry/mod.rs", "use crate::source::Root;")]), [Rule::Arrow]);
    }

    #[test]
    fn every_way_to_write_an_import_is_seen() {
        for text in [
            "use crate::plan::{self, X};",
            "use crate::{error::Error, plan::X};",
            "use crate::{\n    time::{Ticks, Timescale},\n    plan,\n};",
            "pub(crate) use crate::plan as p;",
            "fn f(x: crate::plan::X<'_>) -> char { '\"' }",
            "const X: u8 = /* \" */ crate::plan::X;",
            "use super::plan::X;",
            "mod inner { use super::super::plan::X; }",
            "fn f() { let s = r#\"\"\"#; crate::plan::f(s); }",
        ] {
            assert_eq!(rules(&[("src/hls/mod.rs", text)]), [Rule::Arrow], "{text}");
        }
        assert_eq!(
            rules(&[("src/codec/h264/nal.rs", "use super::super::super::ts;")]),
            [Rule::Arrow]
        );
        assert_eq!(
            rules(&[("src/main.rs", "fn main() { packorigin::cli::run() }")]),
            [Rule::Arrow]
        );
    }

    #[test]
    fn tests_comments_and_strings_are_not_judged() {
        for text in [
            "//! See [`crate::plan`].\n/// And crate::plan::X.\nfn f() {} // crate::plan",
            "#[cfg(test)]\nmod tests {\n    use crate::plan::X;\n    fn f() { if true {} }\n}",
            "#[cfg(test)]\nuse crate::plan::X;\nuse crate::time::Ticks;",
            "#[cfg(test)]\n#[allow(dead_code)]\npub(crate) fn f<A, B>(a: [u8; 3]) { crate::plan::f() }",
            "const TEXT: &str = \"crate::plan::X \\\" crate::plan\";",
            "mod inner { use super::X; }",
        ] {
            assert_eq!(rules(&[("src/hls/mod.rs", text)]), [], "{text}");
        }
        let behind = "#[cfg(test)]\nmod tests { }\nuse crate::plan::X;";
        assert_eq!(rules(&[("src/hls/mod.rs", behind)]), [Rule::Arrow]);
    }

    #[test]
    fn a_test_module_in_files_of_its_own_is_not_judged() {
        let files = [
            ("src/hls/mod.rs", "#[cfg(test)]\nmod tests;"),
            ("src/hls/tests/mod.rs", "use crate::plan::X;"),
            ("src/hls/tests/read.rs", "use crate::plan::X;"),
        ];
        assert_eq!(rules(&files), []);
        let files =
            [("src/hls/mod.rs", "mod tests;"), ("src/hls/tests/mod.rs", "use crate::plan;")];
        assert_eq!(rules(&files), [Rule::Arrow]);
    }

    #[test]
    fn a_room_must_be_in_the_plan() {
        assert_eq!(rules(&[("src/attic/mod.rs", "")]), [Rule::UnknownRoom]);
        assert_eq!(rules(&[("src/attic.rs", "")]), [Rule::UnknownRoom]);
        assert_eq!(rules(&[("src/app.rs", "use crate::attic::X;")]), [Rule::UnknownRoom]);
        assert_eq!(rules(&[("src/app.rs", "use crate::*;")]), [Rule::UnknownRoom]);
        assert_eq!(rules(&[("src/lib.rs", "pub mod attic;")]), []);
    }

    #[test]
    fn words_are_refused_where_the_plan_says_so() {
        for (path, text) in [
            ("src/time.rs", "fn f(x: f64) {}"),
            ("src/time.rs", "use std::time::{Duration, Instant};"),
            ("src/ts/mod.rs", "use tokio::sync::watch;"),
            ("src/plan/mod.rs", "pub async fn f() {}"),
            ("src/plan/mod.rs", "use std::{fmt, fs::File};"),
            ("src/codec/mod.rs", "fn f() { tracing::info!(\"\"); }"),
        ] {
            assert_eq!(rules(&[(path, text)]), [Rule::Word], "{text}");
        }
        assert_eq!(rules(&[("src/source/mod.rs", "use tokio::sync::watch;")]), []);
        assert_eq!(rules(&[("src/plan/mod.rs", "use std::fmt;")]), []);
    }

    #[test]
    fn rooms_that_import_each_other_are_found() {
        let files = [
            ("src/plan/mod.rs", "use crate::package::X;"),
            ("src/package/mod.rs", "use crate::source::X;"),
            ("src/source/mod.rs", "use crate::plan::X;"),
        ];
        let found = findings(&files);
        let cycles: Vec<&Finding> = found.iter().filter(|f| f.rule == Rule::Cycle).collect();
        assert_eq!(cycles.len(), 1, "{found:?}");
        assert_eq!(cycles[0].what, "package → source → plan → package");
        assert!(!rules(&files[..2]).contains(&Rule::Cycle));
    }

    #[test]
    fn exceptions_allow_one_arrow_and_must_be_needed() {
        let exception = |from, to, reason| [Exception { from, to, reason }];
        let judged = |text: &str, exceptions: &[Exception]| -> Vec<Rule> {
            let tree = Tree::from([("src/package/mod.rs".to_owned(), text.to_owned())]);
            judge(&tree, exceptions).iter().map(|finding| finding.rule).collect()
        };
        let needed = exception("package", "cache", "because");
        assert_eq!(judged("use crate::cache::Cache;", &needed), []);
        assert_eq!(
            judged("use crate::catalog::Catalog;", &needed),
            [Rule::Arrow, Rule::IdleException]
        );
        let nameless = exception("package", "cache", "");
        assert_eq!(judged("use crate::cache::Cache;", &nameless), [Rule::IdleException]);
        let allowed = exception("package", "plan", "because");
        assert_eq!(judged("use crate::plan::X;", &allowed), [Rule::IdleException]);
    }

    #[test]
    fn long_files_are_refused() {
        let text = "\n".repeat(LONGEST_FILE);
        assert_eq!(rules(&[("benches/mux.rs", &text)]), []);
        let text = "\n".repeat(LONGEST_FILE + 1);
        assert_eq!(rules(&[("benches/mux.rs", &text)]), [Rule::Length]);
        assert_eq!(rules(&[("src/ts/mux.rs", &text)]), [Rule::Length]);
    }

    #[test]
    fn names_that_say_nothing_are_refused() {
        for path in [
            "src/ts/utils.rs",
            "benches/common/mod.rs",
            "conformance/Helpers.py",
            "src/ts/misc/x.rs",
        ] {
            assert_eq!(rules(&[(path, "")]), [Rule::Name], "{path}");
        }
        assert_eq!(rules(&[("src/ts/commonplace.rs", "")]), []);
    }
}
