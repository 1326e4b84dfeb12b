# Every prompt that a task gets names a benchmark.
package main

import rego.v1

deny contains message if {
	some step in input.steps
	some field in step.fields
	field.name == "prompt"
	not contains(lower(field.after), "benchmark")
	message := sprintf("%s: the prompt names no benchmark", [step.address])
}
