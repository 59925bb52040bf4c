#pragma once

#include "codec/codec.h"

namespace turnpike::codec {

// One object per shape; `codec_of` chooses.
const Codec& openai_codec();
const Codec& azure_codec();

}  // namespace turnpike::codec
