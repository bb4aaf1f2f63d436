namespace Bitflow.Bench.Measures;

/// <summary>How a workload is measured.</summary>
internal enum Kind
{
    /// <summary>Small questions and answers, on kept or on new connections.</summary>
    Requests,

    /// <summary>Streams from the target to the client.</summary>
    Download,

    /// <summary>Streams from the client to the target.</summary>
    Upload,

    /// <summary>A ClientHello that is routed by its server name, and passed through.</summary>
    Hello,

    /// <summary>Connections that do nothing.</summary>
    Idle,

    /// <summary>From nothing to the first answer.</summary>
    Start,
}
