// Package destination writes what targets receive when an asynchronous invocation has ended, in
// AWS's exact form.
//
// A target that is a function here receives an event of its own, which the queue appends in the
// batch that ends the first one. Services that Lambent does not offer yet take nothing: the
// error says so, and the event stays in the dead-letter store with it.
// The package holds no state. Times are UTC.
package destination
