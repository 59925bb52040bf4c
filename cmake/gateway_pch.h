// Precompiled for the folders that know the whole gateway.
#include "light_pch.h"
#include "pipeline/gateway.h"
