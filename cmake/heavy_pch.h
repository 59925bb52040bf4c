// Precompiled for the folders that wait on sockets (net http db redis): Asio costs two seconds a file otherwise.
#include "light_pch.h"

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <simdjson.h>
