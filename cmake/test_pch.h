// Precompiled for every test.
#include <gtest/gtest.h>

#include "light_pch.h"
