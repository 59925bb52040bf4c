#pragma once

#include "pipeline/call.h"

namespace turnpike::pipeline {

/// What the router learns from the calls of this process: which deployments fail, how long they take.

/// An attempt on what was picked has ended; `error` null: with an answer. An attempt whose caller went, or that another
/// outran, says nothing.
void note_outcome(const Call& call, const router::Pick& pick, const router::ModelGroup& group, const Error* error);
/// A stream that had begun well has broken.
void note_broken_stream(const Call& call, const Answer& answer, const Error& error);
/// An attempt has lost a race: it would have taken longer than it was given.
void note_outrun(const Call& call, const router::ModelGroup& group, const domain::Attempt& entry);

/// A stream begins.
void note_first_content(const Call& call, const Answer& answer);
/// An answer has ended and its usage is known.
void note_answer(const Call& call, const Answer& answer);

}  // namespace turnpike::pipeline
