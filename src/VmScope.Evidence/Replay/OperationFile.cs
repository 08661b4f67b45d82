using System.Text.Json;
using VmScope.Traces;

namespace VmScope.Replay;

/// <summary>The names of the file of operations; docs/operations.md describes it.</summary>
internal static class OperationFile
{
    internal const string Format = "operations";
    internal const int Version = 1;
    internal const int LineBytesMax = 16 * 1024;

    internal static ReadOnlySpan<byte> NameOf(OperationKind kind) => kind switch
    {
        OperationKind.Place => "place"u8,
        OperationKind.Appear => "appear"u8,
        OperationKind.Free => "free"u8,
        OperationKind.PurgeBegin => "purge-begin"u8,
        OperationKind.PurgeEnd => "purge-end"u8,
        OperationKind.Chunk => "chunk"u8,
        OperationKind.ChunkSomewhere => "chunk-somewhere"u8,
        OperationKind.Marker => "marker"u8,
        OperationKind.Lost => "lost"u8,
    };

    internal static OperationKind? KindOf(ref Utf8JsonReader value)
    {
        foreach (OperationKind kind in Enum.GetValues<OperationKind>())
        {
            if (value.ValueTextEquals(NameOf(kind)))
            {
                return kind;
            }
        }

        return null;
    }

    internal static ReadOnlySpan<byte> NameOf(TraceMarker marker) => marker switch
    {
        TraceMarker.None => "none"u8,
        TraceMarker.BeforeBegins => "before-begins"u8,
        TraceMarker.BeforeEnds => "before-ends"u8,
        TraceMarker.AfterBegins => "after-begins"u8,
        TraceMarker.AfterEnds => "after-ends"u8,
    };
}
