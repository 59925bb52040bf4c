#pragma once

#include <string_view>

#include "base/result.h"

namespace turnpike::protocol {

/// The faults of an answer that every dialect shares; `label` is the provider's ("Anthropic"), `bytes` go masked and
/// shortened to the log.
tl::unexpected<Error> unreadable_answer(std::string_view label, std::string_view why, std::string_view bytes);
tl::unexpected<Error> unreadable_stream(std::string_view label, std::string_view why, std::string_view bytes);
/// A page of HTML where events were due: what it says is shown.
tl::unexpected<Error> page_for_stream(std::string_view label, std::string_view page);
/// The stream closed before its terminal marker (AC-ERR-1).
tl::unexpected<Error> ended_early(std::string_view label);
/// The same, and nothing of an answer had come.
tl::unexpected<Error> ended_empty(std::string_view label);

}  // namespace turnpike::protocol
