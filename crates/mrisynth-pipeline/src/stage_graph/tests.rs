use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use super::*;

/// Writes two files, one after the other, each unless it is there.
struct Fake {
    name: &'static str,
    inputs: &'static [&'static str],
    setting: i64,
    written: Rc<RefCell<Vec<String>>>,
    /// Files that may still be written before somebody asks to stop.
    left: Rc<Cell<usize>>,
}

impl Stage for Fake {
    fn name(&self) -> &str {
        self.name
    }

    fn inputs(&self) -> Vec<String> {
        self.inputs.iter().map(|input| (*input).to_owned()).collect()
    }

    fn settings(&self) -> Result<Value> {
        Ok(json!({ "setting": self.setting }))
    }

    fn run(&self, work: &mut Work<'_>) -> Result<StageEnd> {
        for file in ["first", "second"] {
            let path = work.folder().join(file);
            if path.is_file() {
                continue;
            }
            if self.left.get() == 0 {
                return Ok(StageEnd::Stopped);
            }
            self.left.set(self.left.get() - 1);
            durable_file::write(
                &path,
                format!("{} {file} {}", self.name, self.setting).as_bytes(),
            )?;
            self.written.borrow_mut().push(format!("{}/{file}", self.name));
        }
        Ok(StageEnd::Done(vec!["first".into(), "second".into()]))
    }
}

/// A graph of four stages: `b` and `c` after `a`, `d` after both.
struct Graph {
    root: tempfile::TempDir,
    settings: BTreeMap<&'static str, i64>,
    written: Rc<RefCell<Vec<String>>>,
}

const INPUTS: [(&str, &[&str]); 4] = [("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])];

impl Graph {
    fn new() -> Self {
        let settings = INPUTS.map(|(name, _)| (name, 0)).into();
        Self { root: tempfile::tempdir().unwrap(), settings, written: Rc::default() }
    }

    /// Runs until so many files are written; gives whether all is done, and what was written.
    fn run(&self, files: usize) -> (bool, Vec<String>) {
        let left = Rc::new(Cell::new(files));
        let fake = |(name, inputs)| -> Box<dyn Stage> {
            let (setting, written) = (self.settings[name], Rc::clone(&self.written));
            Box::new(Fake { name, inputs, setting, written, left: Rc::clone(&left) })
        };
        let stages: Vec<_> = INPUTS.map(fake).into();
        let done = run_stages(self.root.path(), &stages, &Stop::new(), &mut |_| {}).unwrap();
        (done, self.written.take())
    }

    fn stages_of(files: &[String]) -> BTreeSet<&str> {
        files.iter().filter_map(|file| Some(file.split_once('/')?.0)).collect()
    }
}

const ALL: usize = usize::MAX;

#[test]
fn what_is_done_is_not_done_again() {
    let graph = Graph::new();
    let (done, written) = graph.run(ALL);
    assert!(done && written.len() == 8, "{written:?}");
    assert_eq!(graph.run(0), (true, Vec::new()));
}

#[test]
fn a_changed_setting_reaches_what_depends_on_it_and_nothing_else() {
    for (changed, expected) in [
        ("a", BTreeSet::from(["a", "b", "c", "d"])),
        ("b", BTreeSet::from(["b", "d"])),
        ("d", BTreeSet::from(["d"])),
    ] {
        let mut graph = Graph::new();
        graph.run(ALL);
        *graph.settings.get_mut(changed).unwrap() = 1;
        let (done, written) = graph.run(ALL);
        assert!(done);
        assert_eq!(Graph::stages_of(&written), expected);
        let file = graph.root.path().join(changed).join("first");
        assert_eq!(std::fs::read_to_string(file).unwrap(), format!("{changed} first 1"));
    }
}

#[test]
fn a_study_that_is_stopped_anywhere_goes_on_there() {
    for files in 0..8 {
        let graph = Graph::new();
        let (done, mut written) = graph.run(files);
        assert!(!done && written.len() == files);
        let (done, rest) = graph.run(ALL);
        assert!(done);
        written.extend(rest);
        let once: BTreeSet<&String> = written.iter().collect();
        assert_eq!((written.len(), once.len()), (8, 8), "after {files}: {written:?}");
    }
}

#[test]
fn a_change_while_a_stage_is_half_done_begins_it_anew() {
    let mut graph = Graph::new();
    graph.run(3);
    *graph.settings.get_mut("b").unwrap() = 1;
    let (_, written) = graph.run(2);
    assert_eq!(written, ["b/first", "b/second"]);
}

#[test]
fn an_output_that_is_lost_or_changed_is_made_again_and_it_alone() {
    let graph = Graph::new();
    graph.run(ALL);
    let path = graph.root.path().join("b/second");
    std::fs::write(&path, "changed").unwrap();
    assert_eq!(graph.run(ALL), (true, vec!["b/second".to_owned()]));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(graph.run(ALL), (true, vec!["b/second".to_owned()]));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "b second 0");
}

#[test]
fn a_marker_of_a_newer_version_is_refused_and_nothing_is_lost() {
    let graph = Graph::new();
    graph.run(ALL);
    let path = graph.root.path().join("a").join(MARKER);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
    let stages: Vec<Box<dyn Stage>> = vec![Box::new(Fake {
        name: "a",
        inputs: &[],
        setting: 0,
        written: Rc::default(),
        left: Rc::new(Cell::new(ALL)),
    })];
    let error = run_stages(graph.root.path(), &stages, &Stop::new(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::Format { .. }), "{error}");
    assert!(graph.root.path().join("a/first").is_file());
}

#[test]
fn an_impossible_graph_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let fake = |name, inputs| -> Box<dyn Stage> {
        let left = Rc::new(Cell::new(ALL));
        Box::new(Fake { name, inputs, setting: 0, written: Rc::default(), left })
    };
    for stages in [vec![fake("a", &["b"]), fake("b", &[])], vec![fake("a", &[]), fake("a", &[])]] {
        let found = run_stages(root.path(), &stages, &Stop::new(), &mut |_| {});
        assert!(matches!(found, Err(Error::Argument { .. })));
    }
}

/// A stage that can do nothing.
struct Wanting;

impl Stage for Wanting {
    fn name(&self) -> &'static str {
        "wanting"
    }

    fn inputs(&self) -> Vec<String> {
        Vec::new()
    }

    fn settings(&self) -> Result<Value> {
        Ok(json!("two subjects"))
    }

    fn run(&self, _: &mut Work<'_>) -> Result<StageEnd> {
        Ok(StageEnd::Skipped("two subjects, three are needed".into()))
    }
}

#[test]
fn a_stage_that_is_skipped_tells_why_each_time_and_holds_nobody_up() {
    let graph = Graph::new();
    for begun in [2, 0] {
        let left = Rc::new(Cell::new(ALL));
        let (inputs, written) = (&["wanting"], Rc::clone(&graph.written));
        let after = Fake { name: "after", inputs, setting: 0, written, left };
        let stages: Vec<Box<dyn Stage>> = vec![Box::new(Wanting), Box::new(after)];
        let (mut told, mut n) = (Vec::new(), 0);
        let mut observer = |event: &StageEvent<'_>| match event {
            StageEvent::Skipped { reason, .. } => told.push((*reason).to_owned()),
            StageEvent::Begun { .. } => n += 1,
            _ => {}
        };
        assert!(run_stages(graph.root.path(), &stages, &Stop::new(), &mut observer).unwrap());
        assert_eq!((told, n), (vec!["two subjects, three are needed".to_owned()], begun));
    }
    let reason = |stage: &str| reason_of_skipping(&graph.root.path().join(stage)).unwrap();
    assert_eq!(reason("wanting").unwrap(), "two subjects, three are needed");
    assert_eq!(reason("after"), None);
}
