# No agent gets a tool that trades, and no prompt asks for one.
package main

import rego.v1

trading_tools := {"create_live_algorithm", "liquidate_live_algorithm"}

deny contains message if {
	some step in input.steps
	some text in texts(step)
	some tool in trading_tools
	is_string(text)
	contains(text, tool)
	message := sprintf("%s: `%s` trades", [step.address, tool])
}

texts(step) := {field.after | some field in step.fields} | {step.prompt} | {follow_up | some follow_up in step.later_follow_ups}
