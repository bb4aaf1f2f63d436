using Bitflow.Domain;

namespace Bitflow.Net.Observing;

/// <summary>Where the record of an ended connection goes.</summary>
internal interface IConnectionLog
{
    /// <summary>Takes a record, or drops and counts it. Never blocks, never throws; may be called from an engine's thread.</summary>
    void Write(ConnectionRecord record);
}
