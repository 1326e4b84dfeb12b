//! What a template is made of: the files that it includes and the names that it uses. What is not known
//! to end soon is refused here; the engine counts the rest.

use std::collections::BTreeSet;
use std::ops::Range;

use minijinja::Error;
use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, ForLoop, Stmt};
use minijinja::machinery::{Span, Token, parse, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::flaw::TemplateFlaw;
use crate::diag::Code;
use crate::manifest::suggest::{did_you_mean, nearest_few};

/// The only function.
const RANGE: &str = "range";

/// What is said of parts that bind several files together.
const INCLUDE: &str = "a template may include another: `{% include \"partials/risk.md\" %}`";

/// The most words between `{{` and `}}` or `{%` and `%}`, and the most `elif`: the engine goes through
/// both by recursion, and a stranger's template must not exhaust the stack.
const MOST_WORDS: usize = 500;

/// The filters that a template may use: none of them makes lists of lists, or runs for long on a short
/// text.
const FILTERS: [&str; 26] = [
    "abs",
    "bool",
    "capitalize",
    "d",
    "default",
    "first",
    "float",
    "format",
    "indent",
    "int",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "max",
    "min",
    "replace",
    "reverse",
    "round",
    "sort",
    "split",
    "title",
    "trim",
    "upper",
];

/// The largest template.
const LARGEST: usize = 1 << 20;

/// The parts of a template that count before it is rendered.
#[derive(Debug, Default)]
pub(super) struct TemplateParts {
    /// The paths that it includes, each with its place.
    pub(super) includes: Vec<(String, Range<usize>)>,
    /// The names that it uses, each with its place.
    pub(super) names: Vec<(String, Range<usize>)>,
    /// Those that it sets itself.
    pub(super) own: BTreeSet<String>,
}

/// Takes a template apart; `name` is that of its text in findings.
pub(super) fn parts(name: &str, text: &str) -> Result<TemplateParts, TemplateFlaw> {
    let flaw = |message: String, span: Range<usize>| {
        TemplateFlaw::new(Code::InvalidTemplate, name, span, message)
    };
    if text.len() > LARGEST {
        let message = format!("the template has more than {} MiB", LARGEST >> 20);
        return Err(TemplateFlaw::new(Code::TooMuchText, name, 0..0, message)
            .help("divide it, or leave the long part out of the template"));
    }
    if let Some(span) = too_deep(text) {
        let message = format!("a tag of the template has more than {MOST_WORDS} words");
        return Err(flaw(message, span).help("divide it"));
    }
    let syntax = |error: Error| TemplateFlaw::of_syntax(name, text, &error);
    let root = parse(text, name, SyntaxConfig::default()).map_err(syntax)?;
    let mut walk = PartsWalk::default();
    walk.statements(std::slice::from_ref(&root));
    if let Some((what, span, help)) = walk.refused {
        return Err(flaw(format!("the template holds {what}"), span).help(help));
    }
    let PartsWalk { includes, names, own, .. } = walk;
    Ok(TemplateParts { includes, names, own })
}

/// The place of a tag that is too long.
fn too_deep(text: &str) -> Option<Range<usize>> {
    let (mut count, mut alternatives, mut start) = (0, 0, 0);
    // What is no template is told by the parser.
    for (token, span) in tokenize(text, false, SyntaxConfig::default()).map_while(Result::ok) {
        match token {
            Token::VariableStart | Token::BlockStart => (count, start) = (0, range(span).start),
            Token::Ident("elif") => alternatives += 1,
            _ => {}
        }
        count += 1;
        if count > MOST_WORDS || alternatives > MOST_WORDS / 2 {
            return Some(start..range(span).end);
        }
    }
    None
}

/// The bytes of a part.
fn range(span: Span) -> Range<usize> {
    let at = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
    at(span.start_offset)..at(span.end_offset)
}

/// One walk over a template.
#[derive(Default)]
struct PartsWalk {
    includes: Vec<(String, Range<usize>)>,
    names: Vec<(String, Range<usize>)>,
    /// The names that it sets itself.
    own: BTreeSet<String>,
    /// The first part that no template may hold.
    refused: Option<(String, Range<usize>, String)>,
    /// Whether what is walked over becomes the value of a name: it could grow with each time.
    is_kept: bool,
}

impl PartsWalk {
    fn refuse(&mut self, what: &str, span: Span, help: impl Into<String>) {
        if self.refused.is_none() {
            self.refused = Some((what.to_owned(), range(span), help.into()));
        }
    }

    /// Walks over what becomes the value of a name.
    fn kept(&mut self, expression: &Expr<'_>) {
        self.is_kept = true;
        self.expression(expression);
        self.is_kept = false;
    }

    /// Refuses what could double a value with each time.
    fn check_growth(&mut self, expression: &Expr<'_>) {
        let is_const = |one: &Expr<'_>| matches!(one, Expr::Const(_));
        let grows = match expression {
            Expr::BinOp(of) => {
                matches!(of.op, BinOpKind::Add) && !is_const(&of.left) && !is_const(&of.right)
            }
            Expr::List(_) | Expr::Tuple(_) | Expr::Map(_) => expression.as_const().is_none(),
            _ => false,
        };
        if grows {
            let help = "write it where it is used, as in `{{ a + b }}`, and join texts with `~`";
            self.refuse("a sum or a list of names as the value of a name", expression.span(), help);
        }
    }

    fn statements(&mut self, statements: &[Stmt<'_>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(all) => self.statements(&all.children),
            Stmt::EmitExpr(emit) => self.expression(&emit.expr),
            Stmt::EmitRaw(_) => {}
            Stmt::ForLoop(each) => self.for_each(each, each.span()),
            Stmt::IfCond(condition) => {
                self.expression(&condition.expr);
                self.statements(&condition.true_body);
                self.statements(&condition.false_body);
            }
            Stmt::WithBlock(with) => {
                for (target, value) in &with.assignments {
                    self.target(target);
                    self.kept(value);
                }
                self.statements(&with.body);
            }
            Stmt::Set(set) => {
                self.target(&set.target);
                self.kept(&set.expr);
            }
            Stmt::SetBlock(set) => {
                self.target(&set.target);
                self.all(set.filter.iter());
                self.statements(&set.body);
            }
            Stmt::FilterBlock(filter) => {
                self.expression(&filter.filter);
                self.statements(&filter.body);
            }
            Stmt::Include(include) => {
                self.include(&include.name, include.ignore_missing, include.span());
            }
            Stmt::AutoEscape(it) => self.refuse("`autoescape`", it.span(), INCLUDE),
            Stmt::Block(it) => self.refuse("`block`", it.span(), INCLUDE),
            Stmt::Import(it) => self.refuse("`import`", it.span(), INCLUDE),
            Stmt::FromImport(it) => self.refuse("`import`", it.span(), INCLUDE),
            Stmt::Extends(it) => self.refuse("`extends`", it.span(), INCLUDE),
            Stmt::Do(it) => self.refuse("`do`", it.span(), INCLUDE),
        }
    }

    fn for_each(&mut self, each: &ForLoop<'_>, span: Span) {
        self.target(&each.target);
        if each.recursive {
            self.refuse("a recursive loop", span, "write a loop for each level");
        }
        let is_plain = |item: &Expr<'_>| matches!(item, Expr::Const(_) | Expr::Var(_));
        match &each.iter {
            // A list of names in its place is as long as it is written.
            Expr::List(list) if list.items.iter().all(is_plain) => self.all(&list.items),
            iter => self.kept(iter),
        }
        self.all(each.filter_expr.iter());
        self.statements(&each.body);
        self.statements(&each.else_body);
    }

    fn include(&mut self, name: &Expr<'_>, may_be_missing: bool, span: Span) {
        let path = match name {
            Expr::Const(path) => path.value.as_str().map(|text| (text.to_owned(), path.span())),
            _ => None,
        };
        match path {
            _ if may_be_missing => {
                let help = "every file that is included must be there; take `ignore missing` out";
                self.refuse("an include that may be missing", span, help);
            }
            Some((path, place)) => self.includes.push((path, range(place))),
            None => self.refuse(
                "an include whose path is computed",
                span,
                "write the path itself, as in `{% include \"partials/risk.md\" %}`; choose among several with `{% if … %}`",
            ),
        }
    }

    /// Notes the names that are set.
    fn target(&mut self, target: &Expr<'_>) {
        match target {
            Expr::Var(name) => _ = self.own.insert(name.id.to_owned()),
            Expr::List(all) => all.items.iter().for_each(|one| self.target(one)),
            Expr::Tuple(all) => all.items.iter().for_each(|one| self.target(one)),
            other => self.expression(other),
        }
    }

    fn all<'e, 't: 'e>(&mut self, expressions: impl IntoIterator<Item = &'e Expr<'t>>) {
        expressions.into_iter().for_each(|one| self.expression(one));
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) {
        for argument in arguments {
            match argument {
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => self.expression(value),
            }
        }
    }

    fn expression(&mut self, expression: &Expr<'_>) {
        if self.is_kept {
            self.check_growth(expression);
        }
        match expression {
            Expr::Var(name) => self.names.push((name.id.to_owned(), range(name.span()))),
            Expr::Const(_) => {}
            Expr::Slice(slice) => {
                self.expression(&slice.expr);
                self.all(slice.start.iter().chain(&slice.stop).chain(&slice.step));
            }
            Expr::UnaryOp(of) => self.expression(&of.expr),
            Expr::BinOp(of) => self.all([&of.left, &of.right]),
            Expr::Compare(of) => {
                self.expression(&of.expr);
                self.all(of.ops.iter().map(|one| &one.expr));
            }
            Expr::IfExpr(of) => {
                self.all([&of.test_expr, &of.true_expr]);
                self.all(of.false_expr.iter());
            }
            Expr::Filter(of) => {
                if !FILTERS.contains(&of.name) {
                    let near = nearest_few(of.name, FILTERS, 2);
                    let known = || format!("the filters are `{}`", FILTERS.join("`, `"));
                    let help = if near.is_empty() { known() } else { did_you_mean(of.name, &near) };
                    self.refuse(&format!("the unknown filter `{}`", of.name), of.span(), help);
                }
                self.all(of.expr.iter());
                self.arguments(&of.args);
            }
            Expr::Test(of) => {
                self.expression(&of.expr);
                self.arguments(&of.args);
            }
            Expr::GetAttr(of) => self.expression(&of.expr),
            Expr::GetItem(of) => self.all([&of.expr, &of.subscript_expr]),
            Expr::Call(of) => {
                if !matches!(&of.expr, Expr::Var(name) if name.id == RANGE) {
                    let help = "`range` is the only function; filters are written with `|`";
                    self.refuse("the call of something unknown", of.span(), help);
                }
                self.arguments(&of.args);
            }
            Expr::List(of) => self.all(&of.items),
            Expr::Tuple(of) => self.all(&of.items),
            Expr::Map(of) => self.all(of.keys.iter().chain(&of.values)),
        }
    }
}
