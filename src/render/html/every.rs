//! The plans of every environment as one page: a table, then each plan.

use maud::html;

use crate::render::escape::Untrusted;
use crate::render::every::{Every, OfEnvironment};
use crate::render::html::page::{Keys, page};
use crate::render::html::plan::{about, filters, sections};
use crate::render::view::PlanView;

/// Returns the plans of every environment as one page, with so many lines of context.
pub fn plans(every: &Every<PlanView>, context: usize) -> String {
    let views: Vec<&PlanView> =
        every.rows.iter().filter_map(|row| row.found.as_ref().ok()).collect();
    let mut first = 1;
    let body = html! {
        header {
            h1 { "qcops plan" }
            table {
                thead { tr { th { "Environment" } th { "Organization" } th { "Exit" } th { "Result" } } }
                tbody {
                    @for row in &every.rows {
                        tr {
                            th { (row.name.part()) }
                            td {
                                @if let Ok(view) = &row.found { code { (view.organization_id.part()) } }
                            }
                            td { (row.exit_code) }
                            td {
                                @match &row.found {
                                    Ok(view) => (view.verdict()),
                                    Err(error) => { "failed: " (error.message.part()) },
                                }
                            }
                        }
                    }
                }
            }
        }
        main {
            (filters(&views))
            @for row in &every.rows {
                section aria-label={ "Environment " (row.name.part()) } {
                    h2 { "Environment " (row.name.part()) }
                    @match &row.found {
                        Ok(view) => {
                            p.verdict { (view.counts.verdict()) }
                            (about(view))
                            ({
                                let shown = sections(view, context, first);
                                first += view.entries.len();
                                shown
                            })
                        },
                        Err(error) => {
                            p { "error: " (error.message.part()) }
                            ul { @for help in error.help.iter().map(Untrusted::part) { li { (help) } } }
                        },
                    }
                }
            }
        }
    };
    let has_steps = views.iter().any(|view| !view.entries.is_empty());
    page(
        "qcops: every environment",
        Keys { filter: has_steps, places: has_steps, folds: has_steps },
        &body,
    )
}
