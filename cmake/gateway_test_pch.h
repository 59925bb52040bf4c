// The same for their tests.
#include <gtest/gtest.h>

#include "gateway_pch.h"
