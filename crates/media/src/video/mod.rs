//! Picture: cameras, conversion, VP8 and VP9, pipelines.
