namespace Bitflow.Bench;

/// <summary>A measurement that cannot stand: what was wrong, in words for the report.</summary>
internal sealed class BenchException : Exception
{
    public BenchException() { }

    public BenchException(string message) : base(message) { }

    public BenchException(string message, Exception inner) : base(message, inner) { }
}
