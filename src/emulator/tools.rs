//! The tools of an agent, and what the service may make of their list (contract 19).

use serde_json::Value;

use super::quirk::{Quirks, Switch, ToolOrder, UnknownTool};

/// The tool that the quirk `default-tool` adds.
const DEFAULT_TOOL: &str = "user_input";

/// The tools that the documentation names.
const KNOWN_TOOLS: &[&str] = &[
    "financial_data_blog_posts",
    "financial_data_news_articles",
    "financial_data_web_get",
    "datasets",
    "user_input",
    "environment_library_support",
    "create_kanban_card",
    "update_kanban_card",
    "delete_kanban_card",
    "get_kanban_ideas",
    "select_kanban_card",
    "send_email_notification",
    "send_sms_notification",
    "send_telegram_notification",
    "create_compile",
    "read_project_nodes",
    "read_open_project",
    "update_project",
    "create_backtest",
    "read_backtest",
    "list_backtest",
    "update_backtest",
    "delete_backtest",
    "search_backtest_logs",
    "create_optimization",
    "read_optimization",
    "list_optimizations",
    "abort_optimizations",
    "delete_optimizations",
    "create_live_algorithm",
    "read_live_algorithm",
    "liquidate_live_algorithm",
    "search_live_logs",
    "jupyter_create_cell",
    "jupyter_read_cell",
    "jupyter_update_cell",
    "jupyter_delete_cell",
    "jupyter_execute_cell",
    "jupyter_create_notebook",
    "jupyter_read_notebook",
    "jupyter_execute_notebook",
    "object_store_get",
    "object_store_set",
];

/// Returns the list of tools as the service keeps it.
pub(super) fn stored_tools(sent: &[Value], quirks: &Quirks) -> Result<Value, String> {
    let is_unknown = |tool: &str| !KNOWN_TOOLS.contains(&tool);
    let mut tools: Vec<&str> = sent.iter().filter_map(Value::as_str).collect();
    match quirks.unknown_tool {
        UnknownTool::Accept => {}
        UnknownTool::Drop => tools.retain(|tool| !is_unknown(tool)),
        UnknownTool::Refuse => {
            if let Some(tool) = tools.iter().find(|tool| is_unknown(tool)) {
                return Err(format!("The tool {tool} is unknown."));
            }
        }
    }
    if quirks.default_tool == Switch::On && !tools.contains(&DEFAULT_TOOL) {
        tools.push(DEFAULT_TOOL);
    }
    match quirks.tool_order {
        ToolOrder::AsSent => {}
        ToolOrder::Sorted => tools.sort_unstable(),
        ToolOrder::Reversed => tools.reverse(),
    }
    Ok(tools.into())
}
