#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "codec/codec.h"

// What the request encoders of the smaller dialects share.
namespace turnpike::codec {

/// The media's own address, else its bytes as a data URI.
std::string media_url(const protocol::Media& media);

/// InvalidRequest: the provider does not take this kind of content in message `position`.
tl::unexpected<Error> refuse_part(const EncodeInput& input, const protocol::Block& block, std::size_t position);
/// InvalidRequest about one parameter: "<Provider> <why>".
tl::unexpected<Error> refuse_param(const EncodeInput& input, std::string_view param, std::string_view why);

}  // namespace turnpike::codec
