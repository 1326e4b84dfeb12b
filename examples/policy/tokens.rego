# What an apply starts is likely to use at most this many tokens, by past deployments of the same tasks.
package main

import rego.v1

max_tokens := 2000000

deny contains message if {
	tokens := input.budget.estimate.tokens.most
	tokens > max_tokens
	message := sprintf("the deployments may use %d tokens, more than %d", [tokens, max_tokens])
}

# Without past deployments there is no estimate: a person has to check.
warn contains message if {
	input.budget.new_deployments > 0
	not input.budget.estimate.tokens
	message := sprintf("%d new deployments, and no past one to estimate their tokens by", [input.budget.new_deployments])
}
