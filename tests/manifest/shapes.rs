//! Values of the wrong shape: help shows the one that is meant. Expectations that cannot be met.

use super::{Row, check, found, whole};

#[test]
fn help_shows_the_shape_that_is_meant() {
    const NO: &str = "invalid-value";
    #[rustfmt::skip]
    let of_task: &[(&str, &str, &str)] = &[
        ("agentId: 047", "positive whole number", "write `47`"),
        ("agentId: \"47\"", "positive whole number", "without quotes"),
        ("agentId: 1_000", "positive whole number", "write `1000`"),
        ("agentId: 1,000", "positive whole number", "write `1000`"),
        ("agentId: '#47'", "positive whole number", "write `47`"),
        ("agentId: 4.0", "positive whole number", "write `4`"),
        ("id: 5e2", "positive whole number", "write `500`"),
        ("id: first", "positive whole number", "such as `47`"),
        ("protect: yes", "`true` or `false`", "write `protect: true`"),
        ("protect: Off", "`true` or `false`", "write `protect: false`"),
        ("protect: \"true\"", "`true` or `false`", "without quotes"),
        ("protect: maybe", "`true` or `false`", "`protect: true` or `protect: false`"),
        ("name: 5", "must be a text, not a number", "put it in quotes"),
        ("name: true", "must be a text, not a boolean", "put it in quotes"),
        ("name: {a: b}", "must be a text, not a mapping", "`{` needs quotes"),
        ("name: [a, b]", "must be a text, not a list", "`[` needs quotes"),
        ("name: {x}", "must be a text, not a mapping", "`{` needs quotes"),
        ("agent: 47", "must be a text, not a number", "put it in quotes"),
        ("projectPreference: 1", "must be a text", "write `projectPreference: project-for-task`"),
        ("deployments: [a, b]", "must be a mapping, not a list", "`deployments: {a: {}, b: {}}`"),
        ("deployments: [{a: {}}, {name: b}]", "not a list", "`deployments: {a: {}, b: {}}`"),
        ("deployments: [{since: 2026-11-01}]", "not a list", "`deployments: {baseline: {since: 2026-11-01}}`"),
        ("deployments: [{since: 2026-11-01}, {followUps: [x]}]", "not a list", "`deployments: {baseline: {since: 2026-11-01}, deployment-2: {followUps: …}}`"),
        ("name: {a: 1, b: 2}", "must be a text, not a mapping", "`{` needs quotes"),
        ("deployments: [1, 2]", "not a list", "`deployments: {baseline: {}}`"),
        ("deployments: baseline", "not a text", "`deployments: {baseline: {}}`"),
        ("deployments: true", "not a boolean", "`deployments: {baseline: {}}`"),
        ("deployments: {d: soon}", "must be a mapping, not a text", "`d: {}`"),
        ("deployments: {d: [x]}", "must be a mapping, not a list", "`d: {}`"),
    ];
    #[rustfmt::skip]
    let of_deployment: &[(&str, &str, &str)] = &[
        ("since: 1764288000", "neither a date nor an instant", "`2025-11-28T00:00:00Z`, if seconds"),
        ("since: 1764288000000", "neither a date nor an instant", "if milliseconds since 1970"),
        ("since: '1764288000'", "neither a date nor an instant", "`2025-11-28T00:00:00Z`"),
        ("since: 20261101", "neither a date nor an instant", "write `2026-11-01`, with hyphens"),
        ("since: 2026", "neither a date nor an instant", "write `2026-11-01` or"),
        ("since: 2026-11-01T10:00", "neither a date nor an instant", "add the zone, as in `2026-11-01T10:00Z`"),
        ("since: 2026-11-01 09:30", "neither a date nor an instant", "`2026-11-01T09:30Z`"),
        ("since: 2026-13-01", "neither a date nor an instant", "there is no month 13"),
        ("since: 2026-02-30", "neither a date nor an instant", "no day 30 in 2026-02, which has 28"),
        ("since: 2026-06-31T10:00:00Z", "neither a date nor an instant", "no day 31 in 2026-06, which has 30"),
        ("since: 2026-1-1", "neither a date nor an instant", "write `2026-01-01`"),
        ("since: 2026/11/01", "neither a date nor an instant", "write `2026-11-01`"),
        ("since: 2026-1-1T10:00:00Z", "neither a date nor an instant", "write `2026-01-01T10:00:00Z`"),
        ("since: 01/11/2026", "neither a date nor an instant", "write `2026-11-01` or"),
        ("since: true", "neither a date nor an instant", "write `2026-11-01` or"),
        ("since: {day: 1}", "neither a date nor an instant", "write `2026-11-01` or"),
        ("timeout: 30", "no length of time", "`30m`"),
        ("timeout: [1h]", "must be a text, not a list", "write `timeout: 2h 30m`"),
        ("followUps: Go on", "a list of prompts, not a text", "`followUps: [Go on]`"),
        ("followUps: 'Go, on'", "a list of prompts, not a text", "`followUps: ['Go, on']`"),
        ("followUps: {a: b}", "a list of prompts, not a mapping", "write a list: `followUps: ["),
        ("followUps: [Report: now]", "must be a text, not a mapping", "put it in quotes: `'Report: now'`"),
        ("followUps: [y, Report it's: 5]", "`followUps[2]`", "put it in quotes: `'Report it''s: 5'`"),
        ("followUps: [{a: b}]", "must be a text, not a mapping", "`{` needs quotes"),
        ("expect: {transcript: {contains: [Sharpe: 1]}}", "must be a text, not a mapping", "put it in quotes: `'Sharpe: 1'`"),
        ("expect: {transcript: {matches: [a: b]}}", "must be a text, not a mapping", "put it in quotes: `'a: b'`"),
        ("expect: {toolCalled: {a: 1}}", "must be a text, not a mapping", "or a list of them: `toolCalled: [a]`"),
        ("expect: {toolNotCalled: {a: 1}}", "must be a text, not a mapping", "needs quotes"),
        ("followUps: [5]", "must be a text, not a number", "put it in quotes"),
        ("state: true", "must be a text", "write `state: stopped`"),
        ("expect: Completed", "must be a mapping, not a text", "write `expect: {"),
        ("expect: [status]", "must be a mapping, not a list", "write `expect: {"),
        ("expect: {status: 1}", "must be a text", "write `status: Completed`"),
        ("expect: {transcript: Sharpe}", "must be a mapping", "write `transcript: {contains: Sharpe"),
        ("expect: {number: 3}", "must be a mapping, not a number", "write `number: {pattern: "),
        ("expect: {number: {pattern: (\\d), min: '3'}}", "must be a number", "without quotes"),
        ("expect: {number: {pattern: (\\d), min: low}}", "must be a number", "write `min: 0.5`"),
        ("expect: {number: {pattern: (\\d), min: .nan}}", "`min` of `number` of `expect` of deployment `d` of task `a` must be finite", "leave it out"),
        ("expect: {number: {pattern: (\\d), min: .inf}}", "must be finite", "write a number such as `0.5`"),
        ("expect: {number: {pattern: (\\d), max: -.inf}}", "must be finite", "leave it out"),
        ("expect: {toolCalled: 5}", "must be a text, not a number", "put it in quotes"),
        ("expect: {noToolFailure: yes}", "`true` or `false`", "write `noToolFailure: true`"),
        ("expect: {maxTokens: 2e5}", "positive whole number", "write `200000`"),
    ];
    for (field, message, help) in of_task {
        let text = format!("  a:\n    prompt: x\n    {field}\n");
        check(&[(text.leak(), 6, NO, message, help)]);
    }
    for (field, message, help) in of_deployment {
        let text = format!("  a:\n    prompt: x\n    deployments:\n      d:\n        {field}\n");
        check(&[(text.leak(), 8, NO, message, help)]);
    }
}

#[test]
fn help_shows_the_shape_of_what_holds_the_tasks() {
    const NO: &str = "invalid-value";
    #[rustfmt::skip]
    let of_manifest: &[Row] = &[
        ("version: 1\ntasks: [spy]\n", 2, NO, "`tasks` of the manifest must be a mapping", "`spy:` in place of `-`"),
        ("version: 1\ntasks: spy\n", 2, NO, "`tasks` of the manifest must be a mapping", "`tasks: {spy: {"),
        ("version: 1\ntasks:\n", 2, NO, "`tasks` of the manifest must be a mapping, not empty", "indent the tasks"),
        ("version: one\ntasks: {}\n", 1, NO, "must be the number 1", "write `version: 1`"),
        ("version: 1\ntasks: {}\nforget: old\n", 3, NO, "a list of keys", "`forget: [old]`"),
        ("version: 1\ntasks: {}\nreleased: [old]\n", 3, "unknown-field", "`released`", "did you mean `forget`?"),
        ("version: 1\ntasks: {}\nserviceUtcOffset: 0\n", 3, NO, "must be a text", "`serviceUtcOffset: \"+00:00\"`"),
        ("version: 1\ntasks: {}\ndefaults: [agentId]\n", 3, NO, "`defaults` must be a mapping", "without `-`"),
        ("  a: Buy SPY\n", 4, NO, "task `a` must be a mapping, not a text", "`a: {prompt: Buy SPY}`"),
        ("  a:\n  prompt: x\n", 5, NO, "task `prompt` must be a mapping", "indent `prompt` deeper"),
        ("version: 1\ntasks: {}\nforget: [a: b]\n", 3, "invalid-key", "must be a text, not a mapping", "write the key alone: `a`"),
        ("version: 1\ntasks: {}\nforget:\n  - old: x\n", 4, "invalid-key", "must be a text, not a mapping", "write the key alone: `old`"),
        ("  a:\n    prompt: x\n    deployments:\n      - since: 2026-11-01\n", 7, NO, "must be a mapping, not a list", "`deployments: {baseline: {since: 2026-11-01}}`"),
        ("  a:\n    prompt: x\n    deployments:\n      d:\n        followUps:\n          - y\n          - Report: the ratio\n", 10, NO, "`followUps[2]`", "put it in quotes: `'Report: the ratio'`"),
        ("  a:\n    prompt:\n      Report: the ratio\n", 6, NO, "must be a text, not a mapping", "put it in quotes: `'Report: the ratio'`"),
        ("  a: {<<: 5, prompt: x}\n", 4, "invalid-yaml", "`<<` merges mappings, not a number", "`<<: *name`"),
    ];
    check(of_manifest);
}

#[test]
fn a_field_at_the_wrong_level_is_told_where_it_belongs_and_told_once() {
    const NO: &str = "invalid-value";
    const FIELD: &str = "unknown-field";
    #[rustfmt::skip]
    let alone: &[Row] = &[
        ("  a: {prompt: x, deployments: {since: 2026-11-01, followUps: [y]}}\n", 4, NO, "`since`, `followUps` stand right below `deployments` of task `a`", "as in `baseline:`"),
        ("  a:\n    prompt: x\n    deployments:\n      followUps: [y]\n", 7, NO, "`followUps` stands right below", "`deployments: {baseline: {followUps: …}}`"),
        ("  a: {prompt: x, deployments: {expect: {status: Completed}}}\n", 4, NO, "`expect` stands right below", "as in `baseline:`"),
        ("  a: {prompt: x, deployments: {since: 2026-11-01, folowUps: [y]}}\n", 4, NO, "`since` stands right below", "as in `baseline:`"),
        ("  name: Buy SPY\n  prompt: x\n", 4, NO, "`name`, `prompt` stand right below `tasks` of the manifest", "as in `buy-spy:`"),
        ("  prompt: x\n  deployments: {d: {}}\n", 4, NO, "`prompt`, `deployments` stand right below `tasks`", "`tasks: {my-task: {prompt: …}}`"),
        ("  a: {prompt: x, followUps: [y]}\n", 4, FIELD, "`followUps` of task `a`", "belongs to a deployment: `deployments: {baseline: {followUps: …}}`"),
        ("  a: {prompt: x, follow_ups: [y]}\n", 4, FIELD, "`follow_ups` of task `a`", "`followUps` belongs to a deployment"),
        ("  a: {prompt: x, since: 2026-11-01}\n", 4, FIELD, "`since` of task `a`", "`deployments: {baseline: {since: …}}`"),
        ("  a: {prompt: x, expect: {}}\n", 4, FIELD, "`expect` of task `a`", "belongs to a deployment"),
        ("  a: {prompt: x, timeout: 3h}\n", 4, FIELD, "`timeout` of task `a`", "belongs to a deployment"),
        ("  a: {prompt: x, deployments: {d: {status: Failed}}}\n", 4, FIELD, "`status` of deployment `d`", "belongs to `expect` of a deployment: `expect: {status: …}`"),
        ("  a: {prompt: x, deployments: {d: {expect: {contains: y}}}}\n", 4, FIELD, "`contains` of `expect`", "`transcript: {contains: …}`"),
        ("  a: {prompt: x, deployments: {d: {expect: {min: 3}}}}\n", 4, FIELD, "`min` of `expect`", "`number: {min: …}`"),
        ("  a: {prompt: x, deployments: {d: {prompt: y}}}\n", 4, FIELD, "`prompt` of deployment `d`", "belongs to a task or `defaults`"),
        ("  a: {prompt: x, forget: [b]}\n", 4, FIELD, "`forget` of task `a`", "belongs to the top level"),
        ("version: 1\ntasks: {}\nprompt: x\n", 3, FIELD, "`prompt` of the manifest", "`tasks: {my-task: {prompt: …}}`"),
        ("version: 1\nagentId: 47\ntasks: {}\n", 2, FIELD, "`agentId` of the manifest", "belongs to a task or `defaults`"),
    ];
    check(alone);
    for (text, ..) in alone {
        assert_eq!(found(&whole(text)).len(), 1, "{text}");
    }
    for text in [
        "  name: {prompt: x}\n",
        "  a: {prompt: x, deployments: {since: {}, expect: {timeout: 3h}}}\n",
    ] {
        assert_eq!(found(&whole(text)), [], "{text}");
    }
}

#[test]
fn expectations_that_cannot_be_met_are_findings() {
    #[rustfmt::skip]
    let impossible: &[(&str, &str)] = &[
        ("expect: {number: {pattern: (\\d), min: 3, max: 1}}", "no number is between"),
        ("expect: {number: {pattern: (\\d), min: 0.5, max: 0.49}}", "no number is between"),
        ("expect: {number: {pattern: (\\d), min: 1, max: -1}}", "no number is between"),
        ("expect: {number: {pattern: 'Sharpe Ratio of [0-9.]+'}}", "never finds a number"),
        ("expect: {number: {pattern: Drawdown}}", "never finds a number"),
        ("expect: {number: {pattern: '([a-z]+)', min: 1}}", "what it captures holds no digit"),
        ("expect: {number: {pattern: 'Sharpe ([A-Za-z]+)'}}", "what it captures holds no digit"),
        ("expect: {number: {pattern: '[0-9] (?P<x>a)?'}}", "what it captures holds no digit"),
        ("expect: {number: {pattern: '(\\d)[^\\s\\S]'}}", "it finds nothing in any text"),
        ("expect: {number: {pattern: '([0-9])', min: 10}}", "`min` of `number` of `expect` of deployment `d`"),
        ("expect: {number: {pattern: '([0-9]{1,2})', min: 100}}", "is 100, and what `pattern` captures is at most 99"),
        ("expect: {number: {pattern: '(-?[0-9])', max: -100}}", "is -100, and what `pattern` captures is at least -99"),
        ("expect: {number: {pattern: '(\\d+)', max: -1}}", "is -1, and what `pattern` captures is at least 0"),
        ("expect: {transcript: {matches: '[^\\s\\S]'}}", "finds nothing in any text"),
        ("expect: {transcript: {matches: [a, 'b[^\\s\\S]+|[^\\d\\D]']}}", "finds nothing in any text"),
        ("expect: {transcript: {matches: 'a$b'}}", "finds nothing in any text"),
        ("expect: {transcript: {matches: 'a^b'}}", "finds nothing in any text"),
        ("expect: {number: {pattern: 'of (\\d+)'}, transcript: {notMatches: 'of (\\d+)'}}", "which `notMatches` forbids"),
        ("expect: {transcript: {contains: A, notContains: A}}", "are both `A`"),
        ("expect: {transcript: {contains: [B, A], notContains: [C, A]}}", "are both `A`"),
        ("expect: {transcript: {contains: Sharpe Ratio, notContains: Sharpe}}", "`Sharpe` is found in `Sharpe Ratio`"),
        ("expect: {transcript: {matches: 'a+', notMatches: 'a+'}}", "are both `a+`"),
        ("expect: {transcript: {matches: [q, 'a+'], notMatches: ['a+']}}", "are both `a+`"),
        ("expect: {transcript: {contains: Sharpe, notMatches: '(?i)sharpe'}}", "`(?i)sharpe` is found in `Sharpe`"),
        ("expect: {transcript: {contains: Sharpe, notMatches: 'S.*e'}}", "is found in `Sharpe`"),
        ("expect: {transcript: {matches: Sharpe, notContains: Shar}}", "`Shar` is found in `Sharpe`"),
        ("expect: {transcript: {notMatches: '.*'}}", "finds something in every text"),
        ("expect: {transcript: {notMatches: 'x?'}}", "finds something in every text"),
        ("expect: {toolCalled: run, toolNotCalled: run}", "both name `run`"),
        ("expect: {toolCalled: [a, b], toolNotCalled: [c, b]}", "both name `b`"),
        ("{state: stopped, expect: {status: Completed}}", "is to be stopped"),
        ("{state: stopped, expect: {status: failed}}", "is to be stopped"),
        ("{followUps: [x, y], expect: {maxTurns: 2}}", "get 3 answers"),
    ];
    for (field, message) in impossible {
        for text in [
            format!("  a:\n    prompt: x\n    deployments:\n      d: {}\n", braced(field)),
            format!(
                "version: 1\n\n\n\n\ndefaults: {{deployments: {{d: {}}}}}\ntasks: {{}}\n",
                braced(field)
            ),
        ] {
            let line = if text.starts_with("version") { 6 } else { 7 };
            check(&[(text.leak(), line, "impossible-expectation", message, "")]);
        }
    }
    #[rustfmt::skip]
    let notes: &[(&str, &str)] = &[
        ("{state: stopped, followUps: [x]}", "`followUps` of deployment `d`"),
        ("{state: stopped, timeout: 1h}", "`timeout` of deployment `d`"),
        ("{state: stopped, expect: {toolCalled: x}}", "`toolCalled` of deployment `d`"),
        ("{state: stopped, expect: {transcript: {contains: x}}}", "`transcript` of deployment `d`"),
        ("{state: stopped, expect: {number: {pattern: (\\d)}}}", "`number` of deployment `d`"),
    ];
    for (fields, message) in notes {
        let text = format!("  a:\n    prompt: x\n    deployments:\n      d: {fields}\n");
        check(&[(text.leak(), 7, "impossible-expectation", message, "take one of the two out")]);
    }
    for zero in ["maxTokens: 0", "maxTurns: 0", "maxTokens: -1"] {
        let text =
            format!("  a:\n    prompt: x\n    deployments:\n      d: {{expect: {{{zero}}}}}\n");
        check(&[(text.leak(), 7, "invalid-value", "positive whole number", "1 or more")]);
    }
}

#[test]
fn expectations_that_can_be_met_are_taken() {
    for field in [
        "expect: {number: {pattern: (\\d), min: 1, max: 1}}",
        "expect: {number: {pattern: '[0-9.]+'}}",
        "expect: {number: {pattern: '([0-9])', min: 9}}",
        "expect: {number: {pattern: '([0-9]e[0-9])', min: 100}}",
        "expect: {number: {pattern: '(-?\\d+)', max: -1}}",
        "expect: {number: {pattern: '(.*)', min: 1000}}",
        "expect: {transcript: {matches: 'a|[^\\s\\S]'}}",
        "expect: {transcript: {matches: '[^\\s\\S]?a'}}",
        "expect: {transcript: {matches: '(?m)a$\\nb'}}",
        "expect: {transcript: {matches: '^a|b$'}}",
        "expect: {number: {pattern: '-?\\d+ infinity'}}",
        "expect: {number: {pattern: 'Sharpe|[0-9]+'}}",
        "expect: {number: {pattern: 'R?[0-9]+'}}",
        "expect: {transcript: {contains: Sharpe, notContains: Sharpe Ratio}}",
        "expect: {transcript: {contains: sharpe, notContains: Sharpe}}",
        "expect: {transcript: {contains: Sharpe, notMatches: '^Sharpe$'}}",
        "expect: {transcript: {contains: Sharpe, notMatches: '\\bSharpe\\b'}}",
        "expect: {transcript: {matches: 'S.', notMatches: 'S.a'}}",
        "expect: {transcript: {matches: '.*'}}",
        "expect: {toolCalled: run, toolNotCalled: Run}",
        "{state: stopped, expect: {status: Stopped}}",
        "{followUps: [x, y], expect: {maxTurns: 3}}",
        "{followUps: [x, y], expect: {maxTurns: 1, status: Failed}}",
        "expect: {}",
    ] {
        let text = format!("  a:\n    prompt: x\n    deployments:\n      d: {}\n", braced(field));
        assert_eq!(found(&whole(&text)), [], "{field}");
    }
}

fn braced(field: &str) -> String {
    if field.starts_with('{') { field.to_owned() } else { format!("{{{field}}}") }
}
