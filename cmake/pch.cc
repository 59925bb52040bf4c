// Compiled for the precompiled headers alone.
