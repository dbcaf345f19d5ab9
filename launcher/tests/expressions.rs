//! Random expressions about functions of real programs: none does harm, and the steps of those that can be read are sound.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use bpf::config::operations::{RecipeStep, code};
use go_auto_launch::binary::GoBinary;
use go_auto_launch::expression::{Captured, Expression, Scope, Stage, ValueKind};
use go_auto_launch::signature::{Signature, find};
use support::apps::{self, GoVersion, Variant};

/// Functions of `tests/apps/parentage`, which has many types.
const FUNCTIONS: [&str; 5] = [
    "net/http.(*Transport).roundTrip(req *Request) (resp *Response, err error)",
    "net/http.(*conn).serve(ctx context.Context)",
    "net/http.(*Server).Shutdown(ctx context.Context) error",
    "github.com/gin-gonic/gin.(*Engine).handleHTTPRequest(c *Context)",
    "main.fetch(ctx context.Context, url string)",
];
/// What expressions begin with: names, also such as there are not.
const ROOTS: [&str; 11] = ["recv", "req", "resp", "err", "ctx", "c", "url", "error", "result0", "result1", "nothing"];
/// Types that assertions name.
const TYPES: [&str; 10] = [
    "string",
    "error",
    "[]string",
    "*net/url.Error",
    "*http.body",
    "context.Context",
    "*context.cancelCtx",
    "net/http.noBody",
    "map[string][]string",
    "*nothing.AtAll",
];
/// What mutations put into a text.
const LETTERS: &[u8] = b"().[]|*,=\"0192 aReq\xe9";
/// Steps of one expression.
const MAX_STEPS: usize = 256;
/// Far above what a trial takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(2);

/// Numbers that are the same in each run (Marsaglia, "Xorshift RNGs").
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % limit
    }

    fn of<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.below(list.len())]
    }
}

/// Words that are names of fields, in some type: those of files of the standard library, and of the program.
fn words() -> Vec<String> {
    let root =
        std::process::Command::new("go").args(["env", "GOROOT"]).env("GOTOOLCHAIN", GoVersion::GO_1_26.toolchain()).output();
    let root = String::from_utf8(root.unwrap().stdout).unwrap();
    let mut words = BTreeSet::new();
    for file in ["net/http/request.go", "net/http/response.go", "net/http/transport.go", "net/url/url.go", "context/context.go"] {
        let text = fs::read_to_string(format!("{}/src/{file}", root.trim())).unwrap();
        // A field stands alone at the beginning of a line, behind one tab.
        let fields = text.lines().filter_map(|line| line.strip_prefix('\t')?.split([' ', ',']).next());
        let is_name = |word: &&str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        words.extend(fields.filter(is_name).map(str::to_owned));
    }
    words.into_iter().collect()
}

/// One more expression, made of those that can be read.
fn next(random: &mut Random, known: &[String], words: &[String]) -> String {
    let one = random.of(known).clone();
    match random.below(12) {
        0 => format!("{one}[{}]", [0, 1, 7, 1 << 40, usize::MAX][random.below(5)]),
        1 => format!("{one}.({})", random.of(&TYPES)),
        2 => format!("len({one})"),
        3 => format!("typeof({one})"),
        4 => format!("{one}.Error()"),
        5 => {
            let others = 1 << random.below(6);
            (0..others).fold(one, |all, _| format!("{all} | {}", random.of(known)))
        }
        6 => {
            let mut bytes = one.into_bytes();
            for _ in 0..=random.below(3) {
                let (at, letter) = (random.below(bytes.len() + 1), *random.of(LETTERS));
                match random.below(3) {
                    0 => bytes.insert(at, letter),
                    1 if at < bytes.len() => bytes[at] = letter,
                    _ => bytes.truncate(at),
                }
            }
            String::from_utf8_lossy(&bytes).into_owned()
        }
        7 => (*random.of(&ROOTS)).to_owned(),
        _ => format!("{one}.{}", random.of(words)),
    }
}

/// Whether an interpreter that follows these steps captures one value at most, under this number, and never leaves them.
fn assert_sound(Captured { steps, kind }: &Captured, number: u32, text: &str) {
    assert!((1..=MAX_STEPS).contains(&steps.len()), "{text}");
    for (at, step) in steps.iter().enumerate() {
        assert!(at + 1 + usize::from(step.skip) <= steps.len(), "{text}: {step:?} of {steps:?}");
        let is_capture = step.code >= code::CAPTURE_WORD;
        assert!(step.code <= code::CAPTURE_ANY && (!is_capture || step.argument == number), "{text}: {step:?}");
        // The last step of each alternative leaves out all that follow it.
        assert!(!is_capture || at + 1 + usize::from(step.skip) == steps.len(), "{text}: {steps:?}");
        let is_text = matches!(step.code, code::CAPTURE_TEXT | code::CAPTURE_VALUE | code::CAPTURE_ANY);
        assert!(!is_text || (1..=8_192).contains(&step.value), "{text}: {step:?}");
    }
    let last: &RecipeStep = steps.last().unwrap();
    let is_word = last.code == code::CAPTURE_WORD;
    let wants_word = matches!(kind, ValueKind::Integer { .. } | ValueKind::Bool | ValueKind::Float { .. } | ValueKind::Type);
    assert_eq!(is_word, wants_word, "{text}: {kind:?} by {last:?}");
}

#[test]
fn no_expression_does_harm() {
    // Expressions for each function and moment.
    let trials = if apps::tests_all() { 40_000 } else { 1_000 };
    let words = words();
    assert!(words.len() > 150);
    for version in [GoVersion::GO_1_21, GoVersion::GO_1_27] {
        let file = fs::read(apps::build("parentage", version, Variant::Stripped)).unwrap();
        let binary = GoBinary::parse(&file).unwrap();
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let (mut readable, mut longest) = (0, 0);
        for (function, stage) in FUNCTIONS.into_iter().flat_map(|one| [(one, Stage::Start), (one, Stage::End)]) {
            let signature = Signature::parse_full(function).unwrap();
            let found = find(&binary, &binary.functions(&[&signature.symbol()]), &signature).unwrap();
            let scope = Scope { binary: &binary, signature: &signature, assignment: &found[0].assignment, stage };
            let mut known: Vec<String> = ROOTS.iter().map(|root| (*root).to_owned()).collect();
            for _ in 0..trials {
                let text = next(&mut random, &known, &words);
                let begin = Instant::now();
                let Ok(expression) = Expression::parse(&text) else { continue };
                let number = u32::try_from(random.below(24)).unwrap();
                let captured = scope.capture(&expression, number, 8_192);
                let _object = scope.note_object(&expression);
                let _context = scope.note_interface(&expression, code::CONTEXT);
                assert!(begin.elapsed() < PATIENCE, "{version:?} {function} {text}");
                let Ok(captured) = captured.map_err(|why| assert!(!why.to_string().is_empty())) else { continue };
                assert_sound(&captured, number, &text);
                readable += 1;
                longest = longest.max(captured.steps.len());
                if text.len() < 400 && known.len() < 2_000 && !known.contains(&text) {
                    known.push(text);
                }
            }
        }
        assert!(readable > trials && longest > 100, "{version:?}: {readable}, the longest of {longest} steps");
    }
}
