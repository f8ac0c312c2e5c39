/* quiver.h - all of quiver's public interface, in the order a user meets it. */
#ifndef QUIVER_QUIVER_H
#define QUIVER_QUIVER_H

#include <quiver/base.h>
#include <quiver/tokenizer.h>
#include <quiver/model.h>
#include <quiver/train.h>
#include <quiver/build.h>
#include <quiver/library.h>
#include <quiver/interchange.h>
#include <quiver/merge.h>
#include <quiver/adapt.h>
#include <quiver/reuse.h>
#include <quiver/session.h>
#include <quiver/eval.h>

#endif
