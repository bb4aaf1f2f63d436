namespace Bitflow.Bench.Load;

/// <summary>What one run of a <see cref="Plan"/> saw.</summary>
/// <param name="Seconds">From the first unit's begin to the last unit's end.</param>
/// <param name="Latencies">
/// Microseconds of each unit, ascending: from the moment it was due (which in a paced run may be before it could begin, so that a stall counts
/// for all that it delayed) to the last byte of its answer.
/// </param>
/// <param name="Resumed">How many connections took up an earlier TLS session.</param>
internal sealed record Run(double Seconds, double[] Latencies, int Resumed);
