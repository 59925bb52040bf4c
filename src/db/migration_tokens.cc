#include "db/migration_texts.h"

namespace turnpike::db {

// Budgets in tokens. Their accounts are of the entity's kind + 100, and what is called *_nano there are tokens
// (domain/caller_account.h); an entry counts there with its prompt_tokens + completion_tokens, as `tokens` of an entry
// that was set aside does.
constinit const std::string_view kTokens = R"sql(
ALTER TABLE budget ADD COLUMN max_budget_tokens BIGINT;
ALTER TABLE budget ADD COLUMN soft_budget_tokens BIGINT;
ALTER TABLE team ADD COLUMN max_budget_tokens BIGINT;
ALTER TABLE team ADD COLUMN soft_budget_tokens BIGINT;
ALTER TABLE internal_user ADD COLUMN max_budget_tokens BIGINT;
ALTER TABLE internal_user ADD COLUMN soft_budget_tokens BIGINT;
ALTER TABLE verification_key ADD COLUMN max_budget_tokens BIGINT;
ALTER TABLE verification_key ADD COLUMN soft_budget_tokens BIGINT;
ALTER TABLE entry_rejected ADD COLUMN tokens BIGINT NOT NULL DEFAULT 0
)sql";

}  // namespace turnpike::db
