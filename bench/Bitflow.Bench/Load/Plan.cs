namespace Bitflow.Bench.Load;

/// <summary>Who asks, what, and how.</summary>
internal sealed record Plan
{
    public required int Port { get; init; }

    public required Exchange Exchange { get; init; }

    /// <summary>How many connections at once.</summary>
    public required int Clients { get; init; }

    /// <summary>Whether each exchange has a connection of its own, made and ended within the unit.</summary>
    public bool ConnectsEach { get; init; }

    public TlsClient? Tls { get; init; }

    public string ServerName { get; init; } = "a.bench.example";

    /// <summary>Whether connections offer the session of an earlier one.</summary>
    public bool Resumes { get; init; }

    /// <summary>The target that must answer.</summary>
    public byte ExpectedTarget { get; init; }

    /// <summary>The version of PROXY header that the target must have seen; 0 for none.</summary>
    public byte ExpectedHeader { get; init; }

    /// <summary>A run that takes longer is broken.</summary>
    public TimeSpan Limit { get; init; } = TimeSpan.FromSeconds(60);
}
